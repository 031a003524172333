"""Runs a command of the repository to its end, in the sandbox, with a time limit and its last lines kept.

Output goes through a pipe of ours, so that a command that never stops printing fills no disk: the log file gets the
first part of it, the error the last.
"""

from __future__ import annotations

import codecs
import collections
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from programs.concealing import Veil
from programs.local import sandbox
from programs.local.errors import Interrupted, LocalError
from programs.local.sandbox import Place
from programs.local.settings import Settings
from programs.local.waiting import CANCELLED

TAIL_LINES = 40
LINE_MOST = 2000


@dataclass(frozen=True, slots=True)
class Job:
    """``title`` is what people call it (build, migrate db); ``slug`` names its files. ``hidden``: values that neither
    its log nor an error shows."""

    title: str
    slug: str
    run: str
    timeout: int
    env: Mapping[str, str]
    hidden: tuple[str, ...] = ()


@dataclass(slots=True)
class _Output:
    """The end of what a command printed, and a log that stops growing."""

    log: Path
    room: int
    veil: Veil = field(default_factory=Veil)
    lines: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=TAIL_LINES))
    rest: str = ""
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def feed(self, data: bytes) -> None:
        *whole, rest = (self.rest + self.decoder.decode(data)).split("\n")
        # Twice what is kept: a hidden value that the cut goes through is then beyond what is shown.
        self.rest = rest[-2 * LINE_MOST :]
        self._take(whole)

    def end(self) -> list[str]:
        """The last lines, once nothing comes any more."""
        self._take([self.rest] if self.rest else [])
        self.rest = ""
        return list(self.lines)

    def _take(self, whole: list[str]) -> None:
        clean = [self.veil(line[: 2 * LINE_MOST])[:LINE_MOST] for line in whole]
        self.lines.extend(clean)
        if self.room > 0 and clean:
            data = "".join(f"{line}\n" for line in clean).encode()[: self.room]
            with self.log.open("ab") as file:
                file.write(data)
            self.room -= len(data)


def run(settings: Settings, environment: str, place: Place, job: Job) -> None:
    """Returns when the command succeeded; raises LocalError with its last lines when it did not."""
    folder = settings.env(environment)
    launch = sandbox.wrap(settings, place, job.run, job.env)
    argv = sandbox.save(folder / "run" / f"{job.slug}.json", launch)
    log = folder / "logs" / f"{job.slug}.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.write_bytes(b"")
    output = _Output(log, settings.log_bytes, Veil(job.hidden))
    started = time.monotonic()
    try:
        reason = _execute(argv, output, job.timeout)
    finally:
        tail = output.end()
    if reason:
        seconds = time.monotonic() - started
        raise LocalError(f"{job.title} {reason} after {seconds:.1f} s: {job.run}", tail)


def _execute(argv: list[str], output: _Output, timeout: int) -> str:
    """Why it failed, or nothing. The whole process group is gone afterwards, whatever happened."""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            if not _pump(process, output, time.monotonic() + timeout):
                return f"took longer than its limit of {timeout} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return "" if code == 0 else (f"failed with exit status {code}" if code > 0 else f"was ended by signal {-code}")


def _pump(process: subprocess.Popen[bytes], output: _Output, deadline: float) -> bool:
    """Reads until the command ended; False when the deadline came first."""
    pipe = process.stdout
    if pipe is None:
        raise RuntimeError("started without a pipe")
    os.set_blocking(pipe.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None
            # A child left in the background may hold the pipe open: the command's own end is what counts.
            data = pipe.read() if selector.select(0 if ended else 0.05) else None
            if data:
                output.feed(data)
            elif ended:
                return True
            elif data is not None:
                selector.unregister(pipe)
                return _ended(process, deadline)
            if CANCELLED.is_set():
                raise Interrupted("interrupted: the operation was asked to end early")
            if time.monotonic() > deadline:
                return False


def _ended(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """The command closed its output and runs on."""
    while process.poll() is None:
        if CANCELLED.wait(0.02):
            raise Interrupted("interrupted: the operation was asked to end early")
        if time.monotonic() > deadline:
            return False
    return True
