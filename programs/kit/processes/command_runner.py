"""Runs a command of the repository in the sandbox, with a timeout, and keeps its last lines of output.

We read the output through a pipe, so a command that never stops printing can't fill the disk: the log file gets the
first part, the error the last.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from programs import error_text, steps
from programs.kit import wording as kit_wording
from programs.kit.database import suspensions
from programs.kit.errors import Cancelled, CommitFailed, TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import disk
from programs.kit.processes import sandbox, wording
from programs.kit.processes.last_lines import LastLines
from programs.kit.processes.sandbox import Workspace
from programs.kit.waiting import CANCELLED
from programs.redaction import Redactor
from programs.steps import StepName

TAIL_LINES = 40
MAX_LINE_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class CommandRun:
    """``title`` is the name for people (build, migrate db); ``slug`` names its files. ``secret_values`` are redacted
    from the log and errors. ``step`` is what the command belongs to, and the database that the step is about.
    ``niceness`` lowers its priority."""

    title: str
    slug: str
    command: str
    timeout: int
    env: Mapping[str, str]
    secret_values: tuple[str, ...] = ()
    step: tuple[StepName, str] = (StepName.BUILD, "")
    niceness: int = 0


@dataclass(slots=True)
class _Output:
    """The last lines of a command's output, and a log with a maximum size. Each line is reported as it is printed."""

    log: Path
    bytes_left: int
    report: Callable[[Iterable[str]], object]
    redactor: Redactor = field(default_factory=Redactor)
    lines: LastLines = field(default_factory=lambda: LastLines(TAIL_LINES))
    partial_line: str = ""
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def feed(self, data: bytes) -> None:
        *whole, rest = (self.partial_line + self.decoder.decode(data)).split("\n")
        self.partial_line = rest[: self._kept]
        self._add_lines(whole)

    def finish(self) -> list[str]:
        """The last lines, once the output has ended."""
        self._add_lines([self.partial_line] if self.partial_line else [])
        self.partial_line = ""
        return list(self.lines)

    @property
    def _kept(self) -> int:
        """How much of a line, from its beginning: with all of any secret that begins in what is shown of it."""
        return MAX_LINE_LENGTH + self.redactor.longest

    def _shown(self, line: str) -> str:
        clean = self.redactor(line[: self._kept])
        if len(line) >= self._kept:  # it may end with the first part of a secret
            clean = clean[: max(0, len(clean) - self.redactor.longest)]
        return clean[:MAX_LINE_LENGTH]

    def _add_lines(self, whole: list[str]) -> None:
        clean = [self._shown(line) for line in whole]
        self.lines.extend(clean)
        self.report(clean)
        if self.bytes_left > 0 and clean:
            data = "".join(f"{line}\n" for line in clean).encode()[: self.bytes_left]
            with self.log.open("ab") as file:
                file.write(data)
            self.bytes_left -= len(data)


def run(settings: HostSettings, environment: str, workspace: Workspace, command: CommandRun) -> None:
    """Returns when the command succeeds. Raises an error with its last lines if it fails."""
    disk.check(settings, environment)
    folder = settings.env(environment)
    launch = sandbox.sandboxed(settings, workspace, command.command, command.env)
    launch = replace(launch, niceness=command.niceness)
    argv = sandbox.write_launch_file(folder / "run" / f"{command.slug}.json", launch)
    log = folder / "logs" / f"{command.slug}.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.write_bytes(b"")
    started, began = time.monotonic(), time.time()
    with steps.step(*command.step) as shown:
        output = _Output(log, settings.log_bytes, shown.add, Redactor(command.secret_values))
        try:
            reason, code = _execute(argv, output, command.timeout)
        finally:
            tail = output.finish()
        if reason:
            disk.explain_end(settings, environment)
            seconds = time.monotonic() - started
            # Other commands also depend on what may be down for a moment, such as the database.
            permanent = command.step[0] is StepName.BUILD and error_text.is_permanent_exit(code)
            error = CommitFailed if permanent else TargetError
            tail += suspensions.list_sentences(settings, environment, began)
            raise error(wording.command_failed(command.title, reason, seconds, command.command), tail)


def _execute(argv: list[str], output: _Output, timeout: int) -> tuple[str, int]:
    """Returns why the command failed, or an empty string, and its exit status. Its process group is always gone
    afterwards."""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            if not _read_output(process, output, time.monotonic() + timeout):
                return wording.timed_out(timeout), 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    reason = wording.exit_status(code) if code > 0 else wording.killed(-code)
    return (reason if code else ""), code


def _read_output(process: subprocess.Popen[bytes], output: _Output, deadline: float) -> bool:
    """Reads until the command ends. Returns False if the deadline passes first."""
    pipe = process.stdout
    if pipe is None:
        raise RuntimeError("the process has no pipe")
    os.set_blocking(pipe.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None
            # A background child may hold the pipe open, so wait for the command itself to end.
            data = pipe.read() if selector.select(0 if ended else 0.05) else None
            if data:
                output.feed(data)
            elif ended:
                return True
            elif data is not None:
                selector.unregister(pipe)
                return _wait_for_exit(process, deadline)
            if CANCELLED.is_set():
                raise Cancelled(kit_wording.CANCELLED)
            if time.monotonic() > deadline:
                return False


def _wait_for_exit(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """The command has closed its output but is still running."""
    while _is_running(process):
        if CANCELLED.is_set():
            raise Cancelled(kit_wording.CANCELLED)
        if time.monotonic() > deadline:
            return False
    return True


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    """Whether it hasn't ended within some milliseconds. Usually it ends at once, and the next step waits for it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.02)
    return process.returncode is None
