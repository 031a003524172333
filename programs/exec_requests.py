"""A command or a job that a person runs inside an environment, in the same form for every target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from programs import wording


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
    command must get it as its controlling terminal. With a ``database``, the command is psql with its options, and it
    connects to the database whose URL is in that variable of the service."""

    command: tuple[str, ...]
    service: str = ""
    terminal: TerminalRequest | None = None
    database: str = ""


@dataclass(frozen=True, slots=True)
class ExecProcess:
    """A process on Eph's machine that runs a command somewhere. ``env``: its variables; by default only a PATH. It is
    killed when its client is gone; ``stop_seconds`` before that it receives SIGTERM, so that it can end what
    it started elsewhere. ``raw_terminal``: its terminal passes every byte on, because the real one is elsewhere."""

    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    stop_seconds: float = 0.0
    raw_terminal: bool = False


@dataclass(frozen=True, slots=True)
class JobRequest:
    """``job`` is the job's name in the repository, ``parameters`` a JSON object that only the job understands."""

    job: str
    parameters: str = "{}"


def psql_command(request: ExecRequest) -> tuple[str, ...]:
    """Runs psql where the service runs, with the URL in the service's variable. The URL isn't in the command."""
    variable = request.database
    if not (variable.isidentifier() and variable.isascii()):
        raise ExecUnavailable(wording.invalid_variable(variable))
    script = (
        f'command -v "$0" >/dev/null || {{ echo "{wording.NO_PSQL}" >&2; exit 127; }}; '
        f'exec "$0" "${{{variable}:?{wording.no_database(variable)}}}" "$@"'
    )
    return ("sh", "-c", script, *request.command)
