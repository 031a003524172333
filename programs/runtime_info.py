"""What an environment prints and consists of, in the same form for every target: log lines, processes and events.

A follower polls. Each answer therefore carries positions that only the target understands; passed back, they request
what is new, so nothing is shown twice and no log is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from programs import wording

LogPositions = Mapping[str, str]
MAX_LINE_LENGTH = 4000


class NoSuchLog(LookupError):
    """The requested log doesn't exist; the message lists the ones that do."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """``service`` None: all services. ``previous``: the process before the current one. ``since``: only what was
    printed after an earlier answer. ``after``: only what was printed after that time, as exactly as the target knows
    it."""

    service: str | None = None
    lines: int = 100
    previous: bool = False
    since: LogPositions | None = None
    after: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogLines:
    lines: tuple[str, ...] = ()
    positions: LogPositions = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A pod or a process. ``state``: running, starting, failing, ending, ended, stopped or unknown; ``detail`` explains
    it. ``restarts`` is None if the target doesn't count them. ``cpu_seconds`` since its start and ``memory`` in bytes
    are None if the target doesn't measure them."""

    name: str
    service: str
    state: str
    detail: str = ""
    restarts: int | None = None
    since: datetime | None = None
    image: str = ""
    cpu_seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """An event that the target reports about a part, in plain words. ``times`` is how often it occurred, the last time
    ``at``."""

    at: datetime
    about: str
    message: str
    bad: bool = False
    times: int = 1


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    processes: tuple[ProcessInfo, ...] = ()
    events: tuple[RuntimeEvent, ...] = ()


def with_service_prefix(lines: Sequence[tuple[str, str]], *, multiple: bool) -> tuple[str, ...]:
    """Each line, prefixed with its service if the environment has several."""
    return tuple(f"{of} | {line[:MAX_LINE_LENGTH]}" if multiple else line[:MAX_LINE_LENGTH] for of, line in lines)


def require_service(service: str | None, known: set[str], environment: str) -> None:
    """Raises ``NoSuchLog`` if the service doesn't exist."""
    if service and known and service not in known:
        raise NoSuchLog(wording.no_such_service(environment, service, sorted(known)))


def refuse_times(request: LogRequest) -> None:
    """For a target that doesn't know when its lines were printed. Raises ``NoSuchLog``."""
    if request.after is not None:
        raise NoSuchLog(wording.TIMES_UNKNOWN)


def first_position(request: LogRequest) -> str:
    """Where to begin if lines begin with their times: a time in nanoseconds, as text that compares with them."""
    return request.after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z") if request.after else ""
