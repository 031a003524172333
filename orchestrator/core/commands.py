"""What people say to Eph in a comment: lines that start with ``/eph``, read as commands.

Only a line of its own at the left margin counts. What is quoted (with the line right below it, which Markdown shows
as part of the quote), in a code block, or in an HTML comment that nobody sees, is not said to us. A line that cannot be
understood is a value too, because whoever wrote it waits for an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MOST = 3
"""Commands of one comment that are heard; nobody needs more at a time."""
LONGEST = 65_536
_LINE = re.compile(r"/eph(?:[ \t]+(?P<rest>.*))?", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<info>.*)")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(pre|script|style|textarea|blockquote)\b.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
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
    "wake: wakes it when it sleeps",
    "approve: lets this very commit of a fork run",
    "logs: the last lines that it printed",
    "why: what was decided, and from which facts",
)


def is_addressed(body: str) -> bool:
    """Cheap, and never False for what ``parse`` finds something in."""
    return "/eph" in body[:LONGEST].lower()


def parse(body: str) -> tuple[Said, ...]:
    """In the order of the lines."""
    found = [_said(match["rest"] or "") for line in _spoken(body[:LONGEST]) if (match := _LINE.fullmatch(line))]
    if len(found) > MOST:
        return (*found[:MOST], Misunderstood("…", f"at most {MOST} commands of one comment are heard"))
    return tuple(found)


def _spoken(body: str) -> Iterator[str]:
    """The lines that are neither quoted nor code, without what is hidden."""
    fence, quoted = "", False
    for raw in _HIDDEN.sub("\n\n", body.replace("\r\n", "\n").replace("\r", "\n")).split("\n"):
        line = raw.rstrip()
        match = _FENCE.fullmatch(line)
        if fence:
            closes = match is not None and match["mark"].startswith(fence) and not match["info"].strip()
            fence = "" if closes else fence
            continue
        if match is not None and not (match["mark"].startswith("`") and "`" in match["info"]):
            fence, quoted = match["mark"], False
            continue
        quoted = bool(line) and (quoted or line.lstrip().startswith(">"))
        if not quoted:
            yield line


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
