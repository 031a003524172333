"""The steps of running operations and their newest output, for the gateway's pages: one small file.

While something runs, it is at most a second old; otherwise there is none. What it contains is redacted twice: by the
operation when it was printed, and here, with the current secrets.
"""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core.model.world import RunningOperation
from orchestrator.core.util import terminal_text
from orchestrator.service import wording
from programs import steps
from programs.kit import files
from programs.steps import StepEvent, StepEventKind, StepRun
from stacks.executors.port import StepPage
from stacks.model import OperationVerb, StackRef

log = logging.getLogger("eph.output")

INTERVAL = 1.0
MAX_AGE = 15.0
"""A file that is this old is written again while something runs, because the gateway ignores an outdated one."""
CLOCK_TOLERANCE = 5.0
"""Operations may run on a machine whose clock is a little late."""
MAX_STEPS = 20
MAX_LINES = 20
MAX_LINE_LENGTH = 300
_SHOWN_VERBS = frozenset({OperationVerb.UP, OperationVerb.WAKE})


@dataclass(slots=True)
class _Tail:
    """What is kept of one operation, however much it prints."""

    started: float
    position: str = ""
    milestones: collections.deque[StepEvent] = field(default_factory=lambda: collections.deque(maxlen=2 * MAX_STEPS))
    """Starts and ends of steps."""
    lines: dict[str, collections.deque[str]] = field(default_factory=dict)
    """By step."""

    def add(self, events: Iterable[StepEvent]) -> None:
        for event in events:
            if event.at < self.started - CLOCK_TOLERANCE:
                continue  # an earlier operation of the same commit
            if event.kind is not StepEventKind.LINES:
                self.milestones.append(event)
            if event.kind is StepEventKind.STARTED:
                self.lines.pop(event.step, None)
            elif event.kind is StepEventKind.LINES:
                self.lines.setdefault(event.step, collections.deque(maxlen=MAX_LINES)).extend(event.lines)
        shown = {run.step for run in self.runs()}
        for step in self.lines.keys() - shown:
            del self.lines[step]

    def runs(self) -> list[StepRun]:
        return steps.runs(self.milestones, still_running=True)[-MAX_STEPS:]

    def as_json(self, progress: str, redact: Callable[[str], str]) -> dict[str, Any]:
        """``progress`` is the current step if that is all that is known yet."""
        runs = self.runs() or ([StepRun(progress, self.started)] if steps.is_label(progress) else [])
        printed = next((run.step for run in reversed(runs) if run.step in self.lines), "")
        return {
            "steps": [
                {"step": run.step, "state": str(run.state), "started_at": run.started_at, "seconds": run.seconds}
                for run in runs
            ],
            "printed": printed,
            "lines": [_cut(redact(line)) for line in self.lines.get(printed, ())],
        }


def _cut(line: str) -> str:
    return terminal_text.plain(line)[:MAX_LINE_LENGTH]


@dataclass(slots=True)
class PublishedOutput:
    """``path``: the file; None: nothing is published. ``running``: the operations of this process. ``read_steps``: as
    the executor's ``steps``."""

    path: Path | None
    running: Callable[[], Mapping[StackRef, RunningOperation]]
    read_steps: Callable[[StackRef, str, str], StepPage]
    redact: Callable[[str], str]
    now: Callable[[], float] = time.time
    _tails: dict[StackRef, _Tail] = field(default_factory=dict)
    _written: str = ""
    _written_at: float = 0.0

    async def run(self) -> None:
        """Until it is cancelled. A problem with the file affects only what pages show."""
        if self.path is None:
            await asyncio.Event().wait()
        try:
            while True:
                try:
                    await asyncio.to_thread(self.publish, self.running())
                except OSError as error:
                    log.warning(wording.output_not_written(self.path, error))
                await asyncio.sleep(INTERVAL)
        finally:
            self._remove()

    def publish(self, operations: Mapping[StackRef, RunningOperation]) -> None:
        """Blocking. Does nothing while nothing runs."""
        running = {ref: item for ref, item in operations.items() if item.verb in _SHOWN_VERBS and item.name}
        self._tails = {ref: self._tail(ref, item) for ref, item in running.items()}
        if not running:
            self._remove()
            return
        found = {item.name: self._read(ref, item) for ref, item in running.items()}
        text = json.dumps(found)
        if text != self._written or self.now() - self._written_at >= MAX_AGE:
            self._written, self._written_at = text, self.now()
            data = {"written_at": self._written_at, "environments": found}
            if self.path is not None:
                files.write(self.path, json.dumps(data), mode=0o600)

    def _tail(self, ref: StackRef, operation: RunningOperation) -> _Tail:
        known, started = self._tails.get(ref), operation.started.timestamp()
        return known if known is not None and known.started == started else _Tail(started)

    def _read(self, ref: StackRef, operation: RunningOperation) -> dict[str, Any]:
        tail = self._tails[ref]
        page = self.read_steps(ref, "" if tail.position else operation.commit, tail.position)
        tail.position = page.position
        tail.add(page.events)
        return tail.as_json(operation.progress, self.redact)

    def _remove(self) -> None:
        if self._written and self.path is not None:
            self._written = ""
            self.path.unlink(missing_ok=True)
