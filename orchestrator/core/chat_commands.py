"""Parses chat commands: lines of a comment that start with ``/eph``.

A command must start at the left margin and fill its line; ``orchestrator.service.chat.comment_text`` selects the lines
that count. An invalid command is a value too, because its author expects a reply.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from orchestrator.core import wording

PREFIX = "/eph"
MAX_COMMANDS = 3
"""The maximum number of commands per comment."""
_LINE = re.compile(r"/eph(?:[ \t]+(?P<rest>.*))?", re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,5})(m|min|h|d)")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_PART_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
DEFAULT_EXTENSION = timedelta(hours=24)


class ChatVerb(StrEnum):
    UP = "up"
    DOWN = "down"
    RETRY = "retry"
    EXTEND = "extend"
    KEEP = "keep"
    UNKEEP = "unkeep"
    SLEEP = "sleep"
    WAKE = "wake"
    RESTART = "restart"
    RESET_DB = "reset-db"
    APPROVE = "approve"
    LOGS = "logs"
    WHY = "why"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class ChatCommand:
    """``duration`` is for ``extend``; ``commit``, a SHA or its prefix, for ``approve``; ``service`` for ``restart``,
    where empty means all; ``database`` for ``reset-db``."""

    verb: ChatVerb
    duration: timedelta = DEFAULT_EXTENSION
    commit: str = ""
    service: str = ""
    database: str = ""


class CommandProblem(StrEnum):
    UNKNOWN = "unknown"
    DURATION = "duration"
    COMMIT = "commit"
    ARGUMENT = "argument"
    TOO_MANY = "too-many"


@dataclass(frozen=True, slots=True)
class InvalidCommand:
    line: str
    code: CommandProblem
    reason: str


ParsedLine = ChatCommand | InvalidCommand


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Eph's reply to a command: a sentence, and lines to show, if any (logs, reasons)."""

    ok: bool
    text: str
    lines: tuple[str, ...] = ()
    verbatim: bool = False
    """Show the lines as preformatted output."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A reply with its command and author. Eph's comment shows the newest one of a pull request."""

    command: str
    author: str
    result: CommandResult


def parse(lines: Iterable[str], phrases: Collection[str] = ()) -> tuple[ParsedLine, ...]:
    """The commands in order. ``phrases`` are lines that work like ``/eph up``."""
    found: list[ParsedLine] = []
    for line in lines:
        if line in phrases:
            found.append(ChatCommand(ChatVerb.UP))
        elif match := _LINE.fullmatch(line):
            found.append(_parse_line(match["rest"] or ""))
    if len(found) > MAX_COMMANDS:
        return (
            *found[:MAX_COMMANDS],
            InvalidCommand("…", CommandProblem.TOO_MANY, wording.chat.too_many_commands(MAX_COMMANDS)),
        )
    return tuple(found)


def _parse_line(rest: str) -> ParsedLine:
    words = rest.split()
    if not words:
        return ChatCommand(ChatVerb.HELP)
    name, more = words[0].lower(), words[1:]
    if name not in set(ChatVerb):
        return InvalidCommand(rest, CommandProblem.UNKNOWN, wording.chat.unknown_command(name))
    verb = ChatVerb(name)
    match verb, more:
        case ChatVerb.EXTEND, [span] if _DURATION.fullmatch(span.lower()):
            return _parse_extend(span.lower(), rest)
        case ChatVerb.EXTEND, [_, *_]:
            return InvalidCommand(rest, CommandProblem.DURATION, wording.chat.INVALID_DURATION)
        case ChatVerb.APPROVE, [commit] if _COMMIT.fullmatch(commit.lower()):
            return ChatCommand(verb, commit=commit.lower())
        case ChatVerb.RESTART, [service] if _PART_NAME.fullmatch(service):
            return ChatCommand(verb, service=service)
        case ChatVerb.RESTART, [_, *_]:
            return InvalidCommand(rest, CommandProblem.ARGUMENT, wording.chat.INVALID_SERVICE)
        case ChatVerb.RESET_DB, [database] if _PART_NAME.fullmatch(database):
            return ChatCommand(verb, database=database)
        case ChatVerb.RESET_DB, [_, *_]:
            return InvalidCommand(rest, CommandProblem.ARGUMENT, wording.chat.INVALID_DATABASE)
        case ChatVerb.APPROVE, [_, *_]:
            return InvalidCommand(rest, CommandProblem.COMMIT, wording.chat.INVALID_COMMIT)
        case _, [_, *_]:
            return InvalidCommand(rest, CommandProblem.ARGUMENT, wording.chat.no_argument(verb.value))
        case _:
            return ChatCommand(verb)


def _parse_extend(span: str, rest: str) -> ParsedLine:
    match = _DURATION.fullmatch(span)
    if match is None or not int(match[1]):
        return InvalidCommand(rest, CommandProblem.DURATION, wording.chat.NO_DURATION)
    return ChatCommand(ChatVerb.EXTEND, duration=timedelta(**{_UNITS[match[2]]: int(match[1])}))
