"""The logs on an environment's page as numbered lines, of which a link marks some. Pure.

Of a long log, the page shows a part: its end, or the part around the marked lines. A search keeps the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.core.views import log_positions
from orchestrator.core.views.log_positions import LogPosition
from orchestrator.service.port import StepHistory
from programs.steps import StepRun

SHOWN_LINES = 500
"""Of one section; a download has all."""
LINES_BEFORE_MARK = 50


@dataclass(frozen=True, slots=True)
class LinkedLine:
    """``position`` is the one to link to; ``number`` is empty in a log whose lines have none."""

    position: str
    number: str
    text: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class LogSection:
    """``is_linked``: the page's link leads here. ``earlier`` and ``later`` are positions in the parts of the log that
    aren't shown; empty if there are none."""

    id: str
    lines: tuple[LinkedLine, ...]
    is_linked: bool
    earlier: str = ""
    later: str = ""
    run: StepRun | None = None

    @property
    def first_mark(self) -> LinkedLine | None:
        return next((line for line in self.lines if line.is_marked), None)


def of_step(run: StepRun, position: LogPosition | None, search: str) -> LogSection:
    """``position``: of lines in this run."""
    marked = log_positions.numbers(position, len(run.lines)) if position else range(0)
    lines = [
        LinkedLine(f"{run.id}:{number}", str(number), text, number in marked)
        for number, text in enumerate(run.lines, start=1)
    ]
    return replace(_section(run.id, lines, position, search), run=run)


def of_log(section: str, lines: Sequence[str], position: LogPosition | None, search: str) -> LogSection:
    """A log whose first lines get lost over time. Of repeated lines, the newest is marked."""
    found = log_positions.digests(lines)
    wanted = (position.first or found[-1]) if position is not None and found else ""
    marked = len(found) - 1 - found[::-1].index(wanted) if wanted in found else -1
    shown = [
        LinkedLine(f"{section}:{digest}", "", text, index == marked)
        for index, (digest, text) in enumerate(zip(found, lines, strict=True))
    ]
    return _section(section, shown, position, search)


def _section(section: str, lines: Sequence[LinkedLine], position: LogPosition | None, search: str) -> LogSection:
    mark = next((index for index, line in enumerate(lines) if line.is_marked), -1)
    is_linked = position is not None and (mark >= 0 or not position.first)
    if search:
        found = tuple(line for line in lines if search.casefold() in line.text.casefold())
        return LogSection(section, found[-SHOWN_LINES:], is_linked)
    first = max(0, len(lines) - SHOWN_LINES)
    if mark >= 0:
        first = max(0, min(mark - LINES_BEFORE_MARK, first))
    end = first + SHOWN_LINES
    earlier = lines[max(0, first - SHOWN_LINES + LINES_BEFORE_MARK)].position if first else ""
    later = lines[end].position if end < len(lines) else ""
    return LogSection(section, tuple(lines[first:end]), is_linked, earlier, later)


def text_lines(history: StepHistory, position: LogPosition | None) -> list[str]:
    """The output of a commit's steps as text, or only the lines at this position."""
    if position is None:
        return [f"{run.step} | {line}" for run in history.steps for line in run.lines]
    run = log_positions.find_run(history.steps, position.section)
    if run is None:
        return []
    return [run.lines[number - 1] for number in log_positions.numbers(position, len(run.lines))]
