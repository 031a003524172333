"""What a worker does with the steps of its operation: it keeps them in a file, and reports the current one.

Pulumi's own progress is reported only between steps. Events come from the program in this process and, over a pipe,
from the provider's. They are redacted here, once for all targets. Never raises, because the reader of a pipe calls it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from programs.redaction import redact
from programs.steps import StepEvent, StepEventKind

MAX_BYTES = 4 * 1024 * 1024
"""Of one operation. Starts and ends of steps are always kept."""
EVENT_PREFIX = "\x1eeph-step "
"""Begins each line of the provider's standard output that is an event. Output of commands never gets there directly."""


class StepRecorder:
    """``path`` is created with the first event: most operations have none. ``hide`` removes the operation's secrets.
    ``in_background``: a visitor waits for the operation, which therefore never waits for the disk; ``close`` does."""

    def __init__(
        self, path: Path, hide: Callable[[str], str], report: Callable[[str], object], *, in_background: bool = False
    ) -> None:
        self._path = path
        self._hide = hide
        self._report = report
        self._bytes_left = MAX_BYTES
        self._active: list[str] = []
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "steps") if in_background else None
        self.failed_step = ""
        """The first step that failed."""

    def __call__(self, event: StepEvent) -> None:
        clean = replace(event, lines=tuple(redact(self._hide(line)) for line in event.lines))
        with self._lock:
            self._track(clean)
            if self._writer is None:
                self._write(clean)
            else:
                self._writer.submit(self._write, clean)
            current = self._active[-1] if self._active else ""
        if event.kind is not StepEventKind.LINES and current:
            self._report(current)

    def report_progress(self, text: str) -> None:
        """Pulumi's progress."""
        with self._lock:
            busy = bool(self._active)
        if not busy:
            self._report(text)

    def close(self) -> None:
        """Returns when everything is written."""
        if self._writer is not None:
            self._writer.shutdown()

    def _track(self, event: StepEvent) -> None:
        if event.kind is StepEventKind.STARTED:
            self._active.append(event.step)
        elif event.kind is StepEventKind.ENDED:
            with contextlib.suppress(ValueError):
                self._active.remove(event.step)
            if not event.ok:
                self.failed_step = self.failed_step or event.step

    def _write(self, event: StepEvent) -> None:
        text = event.to_json() + "\n"
        if event.kind is StepEventKind.LINES:
            self._bytes_left -= len(text)
            if self._bytes_left <= 0:
                return
        with contextlib.suppress(OSError), self._path.open("a") as file:
            file.write(text)
