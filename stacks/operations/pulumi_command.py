"""The ``pulumi`` command as one operation needs it: few processes, all of which we can end.

The Automation API starts ten processes where two would do. This ``PulumiCommand`` starts those that change something
and answers the rest itself: ``stack select`` (``--stack`` is always given), ``stack output`` and ``stack history``
(their content arrived with the engine's events). It keeps a handle on the child (the SDK gives none: pulumi #9103),
limits the output it holds, and survives bytes that aren't UTF-8, which crash the SDK's reader. It starts nothing once
the lease of the replica that started it has expired, because another one may lead by then.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO

from pulumi import automation
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from stacks import process_identity

KEPT_LINES = 400
MAX_LINE_LENGTH = 4000
LAST_WORDS = 5.0
"""Seconds to read what a pulumi that ended has printed."""
_SUMMARY = json.dumps(
    [
        {
            "kind": "update",
            "startTime": "1970-01-01T00:00:00.000Z",
            "endTime": "1970-01-01T00:00:00.000Z",
            "message": "",
            "environment": {},
            "config": {},
            "result": "succeeded",
        }
    ]
)
_CANNED_OUTPUT = {("stack", "select"): "", ("stack", "output"): "{}", ("stack", "history"): _SUMMARY}

OnLine = Callable[[str], object]


class Interrupted(Exception):
    """The operation was cancelled, or must not continue; nothing more is started for it."""


class OperationCommand(automation.PulumiCommand):
    """One per operation. ``interrupt`` may come from any thread."""

    def __init__(
        self, version: str, on_line: OnLine, lease_until: float | None = None, last_words: float = LAST_WORDS
    ) -> None:
        # Not the SDK's __init__, which would start `pulumi version`; the toolchain has checked the version already.
        self.command = "pulumi"
        self.version = VersionInfo.parse(version)
        self.processes_started = 0
        self._on_line = on_line
        self._last_words = last_words
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._interrupted = False
        self._timed_out = False
        self._lease_until = lease_until
        self._lease_expired = False

    def extend_lease(self, until: float) -> None:
        """The lease was renewed."""
        if self._lease_until is not None:
            self._lease_until = max(self._lease_until, until)

    def check_may_continue(self) -> None:
        """Called before each step that changes something. Raises Interrupted if that is no longer allowed."""
        with self._lock:
            self._check()

    def _check(self) -> None:
        if (
            self._lease_until is not None
            and process_identity.boot_clock() >= self._lease_until
            and not self._interrupted
        ):
            self._interrupted = self._lease_expired = True
        if self._interrupted:
            raise Interrupted

    @property
    def lease_expired(self) -> bool:
        """It ended because its owner is no longer the leader."""
        return self._lease_expired

    @property
    def interrupted(self) -> bool:
        return self._interrupted

    @property
    def timed_out(self) -> bool:
        """It was interrupted by its deadline."""
        return self._timed_out

    def interrupt(self, timed_out: bool = False) -> None:
        """Pulumi treats SIGINT as a graceful cancel: it finishes the current step, saves the state and releases the
        lock. Sent only once: a second SIGINT would end it immediately, with the state unsaved and the lock held."""
        with self._lock:
            if self._interrupted:
                return
            self._interrupted, self._timed_out = True, timed_out
            if self._child is not None:
                self._child.send_signal(signal.SIGINT)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnLine | None = None,  # noqa: ARG002 - the SDK's signature; our lines go to on_line
        on_error: OnLine | None = None,  # noqa: ARG002 - also the SDK's signature
    ) -> automation.CommandResult:
        answer = _CANNED_OUTPUT.get((args[0], args[1])) if len(args) > 1 else None
        if answer is not None:
            return automation.CommandResult(stdout=answer, stderr="", code=0)
        if args[:2] == ["stack", "init"]:
            args = [*args, "--no-select"]  # or each command leaves a file (pulumi #8186)
        child = self._start(["pulumi", "--non-interactive", *args], cwd, additional_env)
        stdout, stderr = self._read(child)
        result = automation.CommandResult(stdout=stdout, stderr=stderr, code=child.returncode)
        if result.code != 0:
            raise Interrupted if self._interrupted else create_command_error(result)
        return result

    def _start(self, command: list[str], cwd: str, extra_env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **extra_env, "PULUMI_AUTOMATION_API": "true"}
        with self._lock:
            self._check()
            self.processes_started += 1
            self._child = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            return self._child

    def _read(self, child: subprocess.Popen[bytes]) -> tuple[str, str]:
        if child.stdout is None or child.stderr is None:
            raise AssertionError("the process has no pipes")
        outputs: list[deque[str]] = [deque(maxlen=KEPT_LINES), deque(maxlen=KEPT_LINES)]
        readers = [
            threading.Thread(target=self._read_lines, args=(stream, kept), daemon=True)
            for stream, kept in zip((child.stdout, child.stderr), outputs, strict=True)
        ]
        for reader in readers:
            reader.start()
        child.wait()
        for reader in readers:
            # Not forever: something that outlived a killed pulumi may hold the pipe open.
            reader.join(self._last_words)
        return "\n".join(outputs[0]), "\n".join(outputs[1])

    def _read_lines(self, stream: IO[bytes], lines: deque[str]) -> None:
        with stream:
            for raw in iter(lambda: stream.readline(MAX_LINE_LENGTH), b""):
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                self._on_line(line)
