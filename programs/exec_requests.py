"""A command or a job that a person runs inside an environment, in the same form for every target."""

from __future__ import annotations

from dataclasses import dataclass


class ExecUnavailable(LookupError):
    """The command can't be run there at the moment; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TerminalSize:
    rows: int = 24
    columns: int = 80


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """``kind`` is the value of TERM."""

    size: TerminalSize = TerminalSize()
    kind: str = "xterm"


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """``command`` is a program and its arguments; no shell interprets them. ``service`` empty: the environment's first
    public service by name, or its first one. With a ``terminal``, the standard streams of the process are one, and the
    command must get it as its controlling terminal."""

    command: tuple[str, ...]
    service: str = ""
    terminal: TerminalRequest | None = None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """``job`` is the job's name in the repository, ``parameters`` a JSON object that only the job understands."""

    job: str
    parameters: str = "{}"
