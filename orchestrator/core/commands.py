"""What people say to Eph in a comment: lines that start with ``/eph``, read as commands.

Only a line of its own at the left margin counts; ``orchestrator.runtime.spoken`` tells which lines of a comment are
somebody's own words. A line that cannot be understood is a value too, because whoever wrote it waits for an answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

WORD = "/eph"
MOST = 3
"""Commands of one comment that are heard; nobody needs more at a time."""
_LINE = re.compile(r"/eph(?:[ \t]+(?P<rest>.*))?", re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,5})(m|min|h|d)")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
DAY = timedelta(hours=24)


class Verb(StrEnum):
    UP = "up"
    DOWN = "down"
    RETRY = "retry"
    EXTEND = "extend"
    KEEP = "keep"
    UNKEEP = "unkeep"
    SLEEP = "sleep"
    WAKE = "wake"
    APPROVE = "approve"
    LOGS = "logs"
    WHY = "why"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Command:
    """``span`` is for ``extend``; ``commit``, or its first digits, for ``approve``."""

    verb: Verb
    span: timedelta = DAY
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Misunderstood:
    line: str
    why: str


Said = Command | Misunderstood


@dataclass(frozen=True, slots=True)
class Answer:
    """What Eph says to a command: a sentence, and lines where there are some to show (logs, reasons)."""

    ok: bool
    text: str
    lines: tuple[str, ...] = ()
    verbatim: bool = False
    """The lines are output, not prose."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with who asked what; the newest of a pull request stands in Eph's comment."""

    asked: str
    by: str
    answer: Answer


HELP = (
    "up: puts the label on that asks for an environment, or tries again",
    "down: takes the label off, and the environment goes",
    "retry: tries again now",
    "extend 24h: it lives so much longer (90m, 24h, 2d)",
    "keep, unkeep: it does not expire; its time counts again",
    "sleep: stops it and keeps its data; a visit wakes it",
    "wake: wakes it when it sleeps",
    "approve: lets this very commit of a fork run",
    "logs: the last lines that it printed",
    "why: what was decided, and from which facts",
)


def parse(lines: Iterable[str], phrases: Collection[str] = ()) -> tuple[Said, ...]:
    """In their order. ``phrases``: whole lines that ask as ``/eph up`` does."""
    found: list[Said] = []
    for line in lines:
        if line in phrases:
            found.append(Command(Verb.UP))
        elif match := _LINE.fullmatch(line):
            found.append(_said(match["rest"] or ""))
    if len(found) > MOST:
        return (*found[:MOST], Misunderstood("…", f"at most {MOST} commands of one comment are heard"))
    return tuple(found)


def _said(rest: str) -> Said:
    words = rest.split()
    if not words:
        return Command(Verb.HELP)
    name, more = words[0].lower(), words[1:]
    if name not in set(Verb):
        return Misunderstood(rest, f"{name[:30]!r} is no command")
    verb = Verb(name)
    match verb, more:
        case Verb.EXTEND, [span] if _SPAN.fullmatch(span.lower()):
            return _extend(span.lower(), rest)
        case Verb.EXTEND, [_, *_]:
            return Misunderstood(rest, "a time is given as 24h, 90m or 2d")
        case Verb.APPROVE, [commit] if _COMMIT.fullmatch(commit.lower()):
            return Command(verb, commit=commit.lower())
        case Verb.APPROVE, [_, *_]:
            return Misunderstood(rest, "a commit is given by its number, seven digits of it at least")
        case _, [_, *_]:
            return Misunderstood(rest, f"{verb.value} takes nothing behind it")
        case _:
            return Command(verb)


def _extend(span: str, rest: str) -> Said:
    match = _SPAN.fullmatch(span)
    if match is None or not int(match[1]):
        return Misunderstood(rest, "a time is more than nothing")
    return Command(Verb.EXTEND, span=timedelta(**{_UNITS[match[2]]: int(match[1])}))
