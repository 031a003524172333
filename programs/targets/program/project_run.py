"""One run of a project in its sandbox: starts the runner, answers its plan, and returns its result.

The runner shares its sandbox with the repository's code, so what it prints is bounded and never trusted.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from programs.kit.errors import Cancelled, TargetError
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import Workspace
from programs.kit.waiting import CANCELLED
from programs.redaction import Redactor
from programs.targets.program import error_lines, wording
from programs.targets.program.settings import INSIDE, ProgramHost

MAX_OUTPUT = 64 * 1024 * 1024
MAX_LINE = 32 * 1024 * 1024
"""A result contains the whole state."""
MAX_LOG_LINE = 2000
INTERRUPT_SECONDS = 3.0
"""Between the request to stop and the kill. The worker kills its provider a second later."""
TAIL_LINES = 20
MAX_NOTICES = 10


@dataclass(frozen=True, slots=True)
class RunRequest:
    """``data`` is for the runner. ``on_plan`` raises if the plan must not be applied."""

    environment: str
    verb: str
    data: Mapping[str, Any]
    env: Mapping[str, str]
    timeout: int
    hidden: tuple[str, ...] = ()
    on_plan: Callable[[Mapping[str, Any]], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class RunResult:
    changes: Mapping[str, int]
    outputs: Mapping[str, Any]
    checkpoint: str
    error: str = ""
    lines: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    """Of advisory policies."""


def run(host: ProgramHost, workspace: Workspace, request: RunRequest) -> RunResult:
    """Returns what the runner reported, also if the project failed. Raises if there is no report."""
    command = f"exec {shlex.join([sys.executable, '-I', '-B', str(INSIDE / 'project_runner.py')])}"
    launch = sandbox.sandboxed(host, workspace, command, request.env)
    file = host.env(request.environment) / "run" / f"project-{request.verb}.json"
    argv = sandbox.write_launch_file(file, launch)
    log = host.env(request.environment) / "logs" / "pulumi.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    with (
        log.open("w", errors="backslashreplace") as written,
        subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as process,
    ):
        conversation = _Conversation(process, request, written, Redactor(request.hidden), host.log_bytes)
        try:
            return conversation.hold()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            file.unlink(missing_ok=True)


@dataclass(slots=True)
class _Conversation:
    process: subprocess.Popen[bytes]
    request: RunRequest
    log: IO[str]
    redactor: Redactor
    log_bytes: int
    result: RunResult | None = None
    refusal: Exception | None = None
    tail: list[str] = field(default_factory=list)
    buffers: dict[int, bytes] = field(default_factory=dict)
    received: int = 0

    def hold(self) -> RunResult:
        self._say(json.dumps(self.request.data))
        deadline = time.monotonic() + self.request.timeout
        interrupted_at = 0.0
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes():
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map() and self.result is None:
                for key, _ in selector.select(0.05):
                    if not self._read(key.fd):
                        selector.unregister(key.fileobj)
                now = time.monotonic()
                if not interrupted_at and (CANCELLED.is_set() or now > deadline):
                    interrupted_at = now
                    self._say("interrupt")
                if interrupted_at and now > interrupted_at + INTERRUPT_SECONDS:
                    break
        if self.refusal is not None:
            raise self.refusal
        if CANCELLED.is_set():
            raise Cancelled(wording.INTERRUPTED)
        if interrupted_at:
            raise TargetError(wording.timed_out(self.request.timeout), self.tail)
        if self.result is None:
            raise TargetError(wording.NO_ANSWER, self.tail)
        return self.result

    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self.process.stdout, self.process.stderr) if pipe is not None]

    def _say(self, line: str) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(f"{line}\n".encode())
                self.process.stdin.flush()

    def _read(self, descriptor: int) -> bool:
        """False at the end of the output."""
        try:
            data = os.read(descriptor, 1024 * 1024)
        except BlockingIOError:
            return True
        self.received += len(data)
        if not data or self.received > MAX_OUTPUT:
            return False
        *lines, rest = (self.buffers.get(descriptor, b"") + data).split(b"\n")
        self.buffers[descriptor] = rest if len(rest) <= MAX_LINE else b""
        is_report = self.process.stdout is not None and descriptor == self.process.stdout.fileno()
        for line in lines:
            if is_report:
                self._on_report(line)
            else:
                self._write(line.decode(errors="replace"))
        return True

    def _on_report(self, line: bytes) -> None:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            return
        match data.get("event") if isinstance(data, dict) else None:
            case "log":
                for part in str(data.get("text", "")).splitlines():
                    self._write(part)
            case "pending":
                names = data.get("names")
                self._write(wording.pending([str(item)[:100] for item in names] if isinstance(names, list) else []))
            case "plan" if self.refusal is None:
                self._answer(data)
            case "result":
                self.result = _parse_result(data, self.redactor)

    def _answer(self, plan: Mapping[str, Any]) -> None:
        try:
            self.request.on_plan(plan)
        except TargetError as error:
            self.refusal = error
            self._say("stop")
            return
        self._say("apply")

    def _write(self, text: str) -> None:
        clean = self.redactor(text[: 2 * MAX_LOG_LINE])[:MAX_LOG_LINE]
        self.tail = [*self.tail[-TAIL_LINES + 1 :], clean]
        if self.log_bytes > 0:
            self.log_bytes -= self.log.write(f"{clean}\n")
            self.log.flush()


def _parse_result(data: Mapping[str, Any], redactor: Redactor) -> RunResult:
    changes, outputs = data.get("changes"), data.get("outputs")
    return RunResult(
        changes if isinstance(changes, dict) else {},
        outputs if isinstance(outputs, dict) else {},
        str(data.get("checkpoint") or ""),
        redactor(str(data.get("error") or ""))[:MAX_LOG_LINE],
        error_lines.arrange(_parse_texts(data.get("lines"), redactor), TAIL_LINES),
        tuple(" ".join(text.split()) for text in _parse_texts(data.get("notices"), redactor)[:MAX_NOTICES]),
    )


def _parse_texts(data: Any, redactor: Redactor) -> list[str]:
    """Longer texts than the runner's are nothing that it sends."""
    return [redactor(str(item)[: 2 * MAX_LOG_LINE]) for item in data] if isinstance(data, list) else []


def has_pulumi(host: ProgramHost) -> bool:
    return any((Path(folder) / "pulumi").exists() for folder in host.path.split(os.pathsep))


def language_hosts(host: ProgramHost) -> list[str]:
    """The runtimes that projects can use."""
    prefix = "pulumi-language-"
    folders = [Path(folder) for folder in host.path.split(os.pathsep) if Path(folder).is_dir()]
    found = {path.name.removeprefix(prefix) for folder in folders for path in folder.glob(f"{prefix}*")}
    return sorted(name for name in found if name.isalnum())
