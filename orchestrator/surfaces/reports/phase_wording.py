"""Wording that comment, check run and deployment share: phase labels and short commits."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase

PHASE_LABELS: Mapping[Phase, str] = {
    Phase.QUEUED: "Queued",
    Phase.WAITING: "Waiting",
    Phase.IMAGE: "Waiting for image",
    Phase.CREATING: "Creating",
    Phase.UPDATING: "Updating",
    Phase.STARTING: "Starting",
    Phase.READY: "Ready",
    Phase.UNHEALTHY: "Not responding",
    Phase.FAILED: "Failed",
    Phase.STALLED: "Failed repeatedly",
    Phase.REFUSED: "Not created",
    Phase.ASLEEP: "Asleep",
    Phase.HELD: "On hold",
    Phase.EXPIRED: "Expired",
    Phase.DESTROYING: "Destroying",
    Phase.DESTROYED: "Destroyed",
}


def label(view: EnvironmentView) -> str:
    """The phase, and whether a ready environment runs another image than the commit's own."""
    tags = fallback_tags(view)
    named = f"{'image' if len(tags) == 1 else 'images'} {', '.join(tags)}"
    return f"{PHASE_LABELS[view.phase]} with fallback {named}" if tags else PHASE_LABELS[view.phase]


def fallback_tags(view: EnvironmentView) -> list[str]:
    """The tags of the fallback images that a ready environment runs."""
    if view.phase is not Phase.READY:
        return []
    return sorted({image.fallback_tag for image in view.images.values() if image.fallback_tag})


GONE_PHASES = frozenset({Phase.EXPIRED, Phase.DESTROYING, Phase.DESTROYED})
UNCERTAIN_PHASES = frozenset({Phase.FAILED, Phase.STALLED, Phase.REFUSED, Phase.HELD})
"""Phases in which the URL responds only if an earlier build is still live."""


_FIRST_WORD = re.compile(r"[a-z]+(?=[ ,;:]|$)")


def sentence(reason: str) -> str:
    """A reason as a sentence. A name at its start, such as ``acme/shop#42`` or ``eph.yaml``, stays lowercase."""
    capital = reason[:1].upper() + reason[1:] if _FIRST_WORD.match(reason) else reason
    return capital if capital.endswith((".", "!", "?", "…")) else f"{capital}."


def short_sha(commit: str) -> str:
    return commit[:7]


def is_outdated(view: EnvironmentView) -> bool:
    """The live commit isn't the newest one."""
    return bool(view.commit and view.wanted_commit and view.commit != view.wanted_commit)


def is_reachable(view: EnvironmentView) -> bool:
    """The URL serves something: the app, or the gateway's page while it starts."""
    return (
        bool(view.url) and view.phase not in GONE_PHASES and (view.phase not in UNCERTAIN_PHASES or bool(view.commit))
    )
