"""Which changes are announced: pure. One announcement for each environment, kind and commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.config.settings.channel_tables import AnnouncementKind
from orchestrator.core.costs.budgets import BudgetLevel, BudgetState
from orchestrator.core.views import environment_views
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.core.wording import costs
from stacks.model import StackRef

_KINDS: Mapping[Phase, AnnouncementKind] = {
    Phase.READY: "ready",
    Phase.FAILED: "failed",
    Phase.STALLED: "failed",
    Phase.HELD: "held",
}
NO_STACK = StackRef("", "")
ALL_REPOSITORIES = "all repositories"
Key = tuple[StackRef, AnnouncementKind, str]
"""The string is the commit, when it expires (an extension leads to another warning), or the level of a budget."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """``subject`` is what people call it, such as acme/shop#7. A repository may have written ``detail``, the reason or
    the error."""

    kind: AnnouncementKind
    environment: str
    repository: str
    subject: str
    at: datetime
    url: str = ""
    page_url: str = ""
    pull_url: str = ""
    commit: str = ""
    detail: str = ""
    expires_at: datetime | None = None


def current(views: Iterable[EnvironmentView], at: datetime) -> dict[Key, Announcement]:
    """All that could be said now. What wasn't there in the cycle before is news."""
    found = {}
    for view in views:
        kind = _KINDS.get(view.phase) if view.wanted_commit else None  # without one, it is about to be destroyed
        if kind is not None:
            found[(view.ref, kind, view.wanted_commit)] = _announcement(view, kind, at)
        if view.expires_soon and view.expires_at is not None:
            found[(view.ref, "expiring", view.expires_at.isoformat())] = _announcement(view, "expiring", at)
    return found


def of_budgets(states: Iterable[BudgetState], at: datetime) -> dict[Key, Announcement]:
    """Each level once a month. The key has no stack."""
    return {
        (NO_STACK, "budget", f"{state.repository} {state.level} {state.renews}"): Announcement(
            "budget", "", state.repository, state.repository or ALL_REPOSITORIES, at, detail=costs.budget(state)
        )
        for state in states
        if state.level is not BudgetLevel.OK
    }


def _announcement(view: EnvironmentView, kind: AnnouncementKind, at: datetime) -> Announcement:
    failure = f"{view.failure.step}: {view.failure.error}".strip(": ") if view.failure else ""
    reason = view.reasons[0] if view.reasons else ""
    return Announcement(
        kind=kind,
        environment=view.name or str(view.ref),
        repository=view.repository,
        subject=environment_views.display_name(view),
        at=at,
        url=view.url,
        page_url=view.page_url,
        pull_url=view.pull_url,
        commit=view.wanted_commit,
        detail={"failed": failure or reason, "held": reason}.get(kind, ""),
        expires_at=view.expires_at,
    )
