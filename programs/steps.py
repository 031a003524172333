"""The steps of an operation in people's words (Checkout, Build, Migrate …), with the output of their commands.

A program reports its steps here, whichever target it belongs to; the worker of the operation listens and keeps them.
Without a listener, nothing happens. Output is limited for each step: a command that prints without end can't fill the
disk, and its last lines are kept anyway.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from programs import wording

MAX_STEP_BYTES = 1024 * 1024
MAX_LINE_LENGTH = 2000
TAIL_LINES = 40
"""The last lines of a step's output, which are kept however long it is."""
_EVENT_BYTES = 32 * 1024
"""A longer event is split, because the worker reads it as one line of a pipe."""


class StepName(StrEnum):
    CHECKOUT = "Checkout"
    WAIT = "Wait for other builds"
    RESTORE_CACHE = "Restore cache"
    BUILD = "Build"
    SAVE_CACHE = "Save cache"
    PUBLISH = "Publish"
    HOOK = "Hook"
    DATABASE = "Database"
    SEED = "Seed"
    MIGRATE = "Migrate"
    SCHEMA = "Schema"
    START = "Start"
    HEALTH_CHECK = "Health check"


class StepEventKind(StrEnum):
    STARTED = "started"
    LINES = "lines"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class StepEvent:
    """``step`` is a label: the step's name, and what it is about (``Migrate main``). ``at`` is in seconds since the
    epoch."""

    kind: StepEventKind
    step: str
    at: float
    lines: tuple[str, ...] = ()
    seconds: float = 0.0
    ok: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


class StepState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(slots=True)
class StepRun:
    """One run of a step, as its events describe it. ``seconds`` is None until it has ended."""

    step: str
    started_at: float
    state: StepState = StepState.RUNNING
    seconds: float | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The same whenever its events are read, and whichever other runs are still kept."""
        return hashlib.sha256(f"{self.step} {self.started_at!r}".encode()).hexdigest()[:8]


Listener = Callable[[StepEvent], object]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """From now on, this listener gets every event of this process. It may be called from several threads."""
    _listeners[:] = [listener]


class StepOutput:
    """Reports the output of a step as it is printed. Used by one thread."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._bytes_left = MAX_STEP_BYTES
        self._omitted = 0
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)

    def add(self, lines: Iterable[str]) -> None:
        shown = []
        for line in lines:
            cut = line[:MAX_LINE_LENGTH]
            self._bytes_left -= len(cut) + 1
            if self._bytes_left > 0:
                shown.append(cut)
            else:
                self._omitted += 1
                self._tail.append(cut)
        self._report(shown)

    def finish(self) -> None:
        if self._omitted:
            more = self._omitted - len(self._tail)
            self._report([*([wording.lines_omitted(more)] if more else []), *self._tail])

    def _report(self, lines: Sequence[str]) -> None:
        batch: list[str] = []
        size = 0
        for line in lines:
            if batch and size + len(line) > _EVENT_BYTES:
                _send(StepEvent(StepEventKind.LINES, self.label, time.time(), tuple(batch)))
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        if batch:
            _send(StepEvent(StepEventKind.LINES, self.label, time.time(), tuple(batch)))


@contextlib.contextmanager
def step(name: StepName, about: str = "") -> Iterator[StepOutput]:
    """Reports the step, how long it takes, and whether it raises an error. ``about``: the service or database."""
    label = f"{name} {about}".rstrip()
    began = time.monotonic()
    _send(StepEvent(StepEventKind.STARTED, label, time.time()))
    output, ok = StepOutput(label), False
    try:
        yield output
        ok = True
    finally:
        output.finish()
        _send(StepEvent(StepEventKind.ENDED, label, time.time(), seconds=time.monotonic() - began, ok=ok))


def _send(event: StepEvent) -> None:
    for listener in _listeners:
        listener(event)


def parse(line: str) -> StepEvent | None:
    """None for what is no event: the writer may have been killed in the middle of a line."""
    try:
        data: Any = json.loads(line)
        return StepEvent(
            StepEventKind(data["kind"]),
            str(data["step"]),
            float(data["at"]),
            tuple(str(item) for item in data.get("lines", ())),
            float(data.get("seconds", 0.0)),
            data.get("ok") is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def is_label(text: str) -> bool:
    """Whether it is the label of a step, rather than another sentence about progress."""
    return any(text == name or text.startswith(f"{name} ") for name in StepName)


def runs(events: Iterable[StepEvent], *, still_running: bool) -> list[StepRun]:
    """Each run of each step, in the order in which they started. ``still_running``: the last operation hasn't ended."""
    found: list[StepRun] = []
    open_runs: dict[str, StepRun] = {}
    for event in events:
        run = open_runs.get(event.step)
        match event.kind:
            case StepEventKind.STARTED:
                if run is not None:
                    run.state = StepState.INTERRUPTED
                open_runs[event.step] = StepRun(event.step, event.at)
                found.append(open_runs[event.step])
            case StepEventKind.LINES if run is not None:
                run.lines.extend(event.lines)
            case StepEventKind.ENDED if run is not None:
                run.state = StepState.SUCCEEDED if event.ok else StepState.FAILED
                run.seconds = event.seconds
                del open_runs[event.step]
            case _:
                continue
    for run in open_runs.values() if not still_running else ():
        run.state = StepState.INTERRUPTED
    return found


def log_lines(events: Iterable[StepEvent]) -> Iterator[str]:
    """Each line of output after its step, as in the logs of several services; and a line when the step ends."""
    for event in events:
        match event.kind:
            case StepEventKind.LINES:
                yield from (f"{event.step} | {line}" for line in event.lines)
            case StepEventKind.ENDED:
                ended = wording.step_finished if event.ok else wording.step_failed
                yield ended(event.step, event.seconds)
            case _:
                continue


class EventWriter:
    """Writes events one to a line, from any thread."""

    def __init__(self, write: Callable[[str], object], prefix: str = "") -> None:
        self._write, self._prefix = write, prefix
        self._lock = threading.Lock()

    def __call__(self, event: StepEvent) -> None:
        with self._lock:
            self._write(f"{self._prefix}{event.to_json()}\n")
