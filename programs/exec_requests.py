"""A command or a job that a person runs inside an environment, in the same form for every target."""

from __future__ import annotations

from dataclasses import dataclass


class ExecUnavailable(LookupError):
    """The command can't be run there at the moment; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """``command`` is a program and its arguments; no shell interprets them. ``service`` empty: the environment's first
    public service by name, or its first one."""

    command: tuple[str, ...]
    service: str = ""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """``job`` is the job's name in the repository, ``parameters`` a JSON object that only the job understands."""

    job: str
    parameters: str = "{}"
