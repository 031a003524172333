"""Words that comment and check share: a phase in a word, a commit in seven digits, a time in UTC.

Times are absolute: "in 3 hours" would have to be edited every minute, and each edit costs a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase

PHASE_LABELS: Mapping[Phase, str] = {
    Phase.QUEUED: "Queued",
    Phase.WAITING: "Waiting",
    Phase.IMAGE: "Waiting for image",
    Phase.CREATING: "Being made",
    Phase.UPDATING: "Being updated",
    Phase.STARTING: "Starting",
    Phase.READY: "Ready",
    Phase.UNHEALTHY: "Not answering",
    Phase.FAILED: "Failed",
    Phase.STALLED: "Failed repeatedly",
    Phase.REFUSED: "Not made",
    Phase.ASLEEP: "Asleep",
    Phase.HELD: "On hold",
    Phase.EXPIRED: "Expired",
    Phase.DESTROYING: "Being removed",
    Phase.DESTROYED: "Removed",
}
GONE_PHASES = frozenset({Phase.EXPIRED, Phase.DESTROYING, Phase.DESTROYED})
UNCERTAIN_PHASES = frozenset({Phase.FAILED, Phase.STALLED, Phase.REFUSED, Phase.HELD})
"""Phases in which something answers only when an earlier build still runs."""


def short_sha(commit: str) -> str:
    return commit[:7]


def format_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def is_outdated(view: EnvironmentView) -> bool:
    """What runs is not what should."""
    return bool(view.commit and view.wanted_commit and view.commit != view.wanted_commit)


def is_reachable(view: EnvironmentView) -> bool:
    """The URL leads somewhere: to the app, or to the page that waits for it."""
    return (
        bool(view.url) and view.phase not in GONE_PHASES and (view.phase not in UNCERTAIN_PHASES or bool(view.commit))
    )
