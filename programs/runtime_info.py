"""What an environment prints and consists of, as every target tells it: log lines, processes, what happened to them.

A follower asks again and again. An answer therefore carries marks, which only the target understands; given back, they
ask for what came since, so that nothing is told twice and no log is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

LogPositions = Mapping[str, str]
MAX_LINE_LENGTH = 4000


class NoSuchLog(LookupError):
    """There is no log as it was asked for; the message says which there are."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """``service`` None: of all. ``previous``: of the process before the one that runs now. ``since``: only what came
    after an earlier answer."""

    service: str | None = None
    lines: int = 100
    previous: bool = False
    since: LogPositions | None = None


@dataclass(frozen=True, slots=True)
class LogLines:
    lines: tuple[str, ...] = ()
    positions: LogPositions = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A pod, or a process. ``state``: running, starting, failing, ending, ended, stopped or unknown; ``detail`` says
    why in words. ``restarts`` -1: nobody counts them."""

    name: str
    service: str
    state: str
    detail: str = ""
    restarts: int = -1
    since: datetime | None = None
    image: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """Something that the target says happened to a part, in plain words; ``times``: how often, the last time ``at``."""

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
    """Each line, with its service before it where the environment has several."""
    return tuple(f"{of} | {line[:MAX_LINE_LENGTH]}" if multiple else line[:MAX_LINE_LENGTH] for of, line in lines)


def require_service(service: str | None, known: set[str], environment: str) -> None:
    """Raises ``NoSuchLog`` for a service that is not there, when others are."""
    if service and known and service not in known:
        raise NoSuchLog(f"{environment} has no service {service!r}; there are: {', '.join(sorted(known))}")
