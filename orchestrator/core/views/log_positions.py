"""Positions of lines in an environment's logs, for links that still find the same lines later. Pure.

A position is ``SECTION:FIRST`` or ``SECTION:FIRST-LAST``. In a step, lines are numbered from 1, and the section is the
id of the step's run. Logs of services lose their first lines and may not know any times, so a line of theirs is found
by a digest of it and of the two lines before it: a line that is gone is never mistaken for another one. A section
without lines, such as ``Build``, stands for the end of that step's newest failed run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from programs.steps import StepState

SERVICES = "services"
OPERATION = "operation"
MAX_LENGTH = 200
_POSITION = re.compile(r"([A-Za-z][A-Za-z0-9 _./-]*|[0-9a-f]{8})(?::([0-9a-f]{1,12})(?:-([0-9]{1,12}))?)?")
_DIGEST_DIGITS = 12
_LINES_BEFORE = 2


class InvalidPosition(ValueError):
    """It isn't a position; the message is what was given."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """``first``: a line's number or digest; empty: the end of the section. ``last`` is set for several lines."""

    section: str
    first: str = ""
    last: str = ""

    def __str__(self) -> str:
        lines = f"{self.first}-{self.last}" if self.last else self.first
        return f"{self.section}:{lines}" if lines else self.section


def parse(text: str) -> LogPosition:
    """Raises InvalidPosition."""
    found = _POSITION.fullmatch(text.strip()[: MAX_LENGTH + 1])
    if found is None or len(text) > MAX_LENGTH:
        raise InvalidPosition(text[:MAX_LENGTH])
    return LogPosition(found[1], found[2] or "", found[3] or "")


def of_link(link: str) -> tuple[LogPosition, str]:
    """The position in a link to the dashboard, or the text itself as a position; and the link's commit. Raises
    InvalidPosition."""
    query = parse_qs(urlsplit(link).query)
    return parse(query.get("line", [link])[0]), query.get("commit", [""])[0]


class IdentifiedRun(Protocol):
    """The run of a step, as the server keeps it or as the API returns it."""

    @property
    def id(self) -> str: ...

    @property
    def step(self) -> str: ...

    @property
    def state(self) -> str: ...


Run = TypeVar("Run", bound=IdentifiedRun)


def find_run(runs: Sequence[Run], section: str) -> Run | None:
    """The run with that id. Or of the step with that label: the newest run that failed, otherwise the newest."""
    labelled = [run for run in runs if run.step == section]
    failed = [run for run in labelled if run.state == StepState.FAILED]
    return next((run for run in runs if run.id == section), None) or next(reversed(failed or labelled), None)


def numbers(position: LogPosition, count: int) -> range:
    """The numbers of the lines in a step of ``count`` lines: empty if it has none of them."""
    if not position.first:
        return range(max(count, 1), count + 1)
    if not position.first.isdecimal():
        return range(0)
    first, last = int(position.first), int(position.last or position.first)
    first, last = min(first, last), max(first, last)
    return range(max(first, 1), min(last, count) + 1)


def digests(lines: Iterable[str]) -> list[str]:
    """One for each line of a log. With several services, each line starts with its service, whose lines count."""
    before: dict[str, list[str]] = {}
    found = []
    for line in lines:
        service, mark, _ = line.partition(" | ")
        recent = before.setdefault(service if mark else "", [])
        recent.append(line)
        del recent[: -_LINES_BEFORE - 1]
        data = "\n".join(recent).encode(errors="surrogatepass")
        found.append(hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS])
    return found
