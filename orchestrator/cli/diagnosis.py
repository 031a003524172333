"""What is wrong, and what to do next: pure, from what the API returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.cli import output, wording

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem, EventItem, StatusResponse
    from orchestrator.surfaces.api.schemas.runtime_schemas import RuntimeInfoResponse

STALE_CYCLE = timedelta(minutes=5)
"""A cycle starts every 30 seconds by default, and few take longer than a minute."""
SLOW = timedelta(minutes=20)
LOW_RATE_LIMIT = 0.1
RECENT = timedelta(hours=1)
BROKEN = frozenset({"failed", "stalled", "refused", "unhealthy", "unknown"})
IN_PROGRESS = frozenset({"creating", "updating", "starting", "destroying"})
TROUBLE = frozenset({"cycle.failed", "report.failed", "forge.incomplete", "ledger.gap", "leader.changed"})


class FindingLevel(StrEnum):
    PROBLEM = "problem"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class DiagnosisFinding:
    """``about``: an environment or a part of the service. ``todo``: a command or a sentence; may be empty."""

    level: FindingLevel
    about: str
    what: str
    todo: str = ""


def of_status(status: StatusResponse, client_version: str, now: datetime) -> Iterator[DiagnosisFinding]:
    problem, warning = FindingLevel.PROBLEM, FindingLevel.WARNING
    if status.last_cycle is None and now - status.started > STALE_CYCLE:
        yield DiagnosisFinding(problem, "loop", wording.diagnosis.NO_CYCLE, wording.diagnosis.SEE_SERVER_LOG)
    if status.last_cycle is not None and now - status.last_cycle > STALE_CYCLE:
        stale = wording.diagnosis.stale_cycle(output.relative_time(status.last_cycle, now))
        yield DiagnosisFinding(problem, "loop", stale, wording.diagnosis.SEE_SERVER_LOG)
    if not status.complete:
        yield DiagnosisFinding(warning, "reading", wording.diagnosis.INCOMPLETE)
    for note in status.notes:
        yield DiagnosisFinding(warning, "service", note)
    limit = status.rate_limit
    if limit is not None and limit.blocked_seconds > 0:
        blocked = wording.diagnosis.blocked(output.format_span(limit.blocked_seconds))
        yield DiagnosisFinding(problem, "Git host", blocked, wording.diagnosis.BLOCKED_PASSES)
    elif limit is not None and limit.limit and limit.remaining < limit.limit * LOW_RATE_LIMIT:
        low = wording.diagnosis.low_rate_limit(limit.remaining, limit.limit)
        yield DiagnosisFinding(warning, "Git host", low, wording.diagnosis.BLOCKED_PASSES)
    if status.version != client_version:
        skew = wording.diagnosis.version_skew(client_version, status.version)
        yield DiagnosisFinding(warning, "version", skew, wording.diagnosis.INSTALL_SAME)


def of_environments(items: Iterable[EnvironmentItem], now: datetime) -> Iterator[DiagnosisFinding]:
    for item in items:
        name = item.name or item.ref
        if item.phase == "held":
            yield DiagnosisFinding(FindingLevel.PROBLEM, name, _because(item), item.command)
        elif item.phase in BROKEN or item.problems or item.failure:
            level = FindingLevel.PROBLEM if item.phase in BROKEN else FindingLevel.WARNING
            yield DiagnosisFinding(level, name, _because(item), _next_step(item, name))
        elif item.phase in IN_PROGRESS and item.since is not None and now - item.since > SLOW:
            slow = wording.diagnosis.slow(item.phase, output.age(item.since, now), item.progress)
            yield DiagnosisFinding(FindingLevel.WARNING, name, slow, wording.diagnosis.follow_logs(name))
        elif item.phase == "queued":
            queued = wording.diagnosis.queued(item.queue_position, item.reasons[0] if item.reasons else "")
            yield DiagnosisFinding(FindingLevel.WARNING, name, queued, wording.environments.run_why(name))


def of_runtime(name: str, found: RuntimeInfoResponse) -> Iterator[DiagnosisFinding]:
    for process in found.processes:
        if process.state in ("failing", "unknown"):
            what = wording.diagnosis.process(process.service, process.state, process.detail)
            yield DiagnosisFinding(
                FindingLevel.PROBLEM, name, what, wording.diagnosis.service_logs(name, process.service)
            )


def of_events(items: Iterable[EventItem], now: datetime) -> Iterator[DiagnosisFinding]:
    """The latest of each kind of trouble in the last hour."""
    latest = {item.kind: item for item in items if item.kind in TROUBLE and now - item.at <= RECENT}
    for kind, item in latest.items():
        what = f"{output.relative_time(item.at, now)}: {item.message}"
        yield DiagnosisFinding(FindingLevel.WARNING, kind, what, wording.diagnosis.SEE_EVENTS)


def _because(item: EnvironmentItem) -> str:
    first = item.problems[0] if item.problems else item.failure.error if item.failure else ""
    return wording.diagnosis.phase_because(item.phase, first or (item.reasons[0] if item.reasons else ""))


def _next_step(item: EnvironmentItem, name: str) -> str:
    if item.problems:
        return wording.diagnosis.FIX_EPH_YAML
    return wording.diagnosis.inspect(name) if item.failure else wording.environments.run_why(name)
