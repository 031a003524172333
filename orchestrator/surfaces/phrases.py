"""Words that comment and check share: a phase in a word, a commit in seven digits, a time in UTC.

Times are absolute: "in 3 hours" would have to be edited every minute, and each edit costs a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView

WORDS: Mapping[Phase, str] = {
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
GONE = frozenset({Phase.EXPIRED, Phase.DESTROYING, Phase.DESTROYED})
UNSURE = frozenset({Phase.FAILED, Phase.STALLED, Phase.REFUSED, Phase.HELD})
"""Phases in which something answers only when an earlier build still runs."""


def short(commit: str) -> str:
    return commit[:7]


def when(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def outdated(view: EnvironmentView) -> bool:
    """What runs is not what should."""
    return bool(view.commit and view.wanted_commit and view.commit != view.wanted_commit)


def reachable(view: EnvironmentView) -> bool:
    """The URL leads somewhere: to the app, or to the page that waits for it."""
    return bool(view.url) and view.phase not in GONE and (view.phase not in UNSURE or bool(view.commit))
