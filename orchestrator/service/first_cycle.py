"""Before the first cycle after a start nothing is known, so nothing is missing either (M5)."""

from __future__ import annotations

from orchestrator.runtime.cycles import CycleResult
from orchestrator.service import wording
from orchestrator.service.port import TemporarilyUnavailable


def require(latest: CycleResult) -> CycleResult:
    """Raises TemporarilyUnavailable."""
    if latest.at is None:
        raise TemporarilyUnavailable(wording.FIRST_CYCLE)
    return latest
