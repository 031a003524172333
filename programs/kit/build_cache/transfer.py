"""Fills an environment's cache from an archive, and archives it again: tar, in the environment's sandbox.

A cache is full of names, links and modes that a repository chose. In the sandbox they mean nothing to this machine, and
every file belongs to the environment's user without any change of owner.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO

from programs.kit import wording as kit_wording
from programs.kit.build_cache import tools, wording
from programs.kit.errors import Cancelled, TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import Workspace
from programs.kit.waiting import CANCELLED

TIMEOUT = 300.0
_CHUNK = 1 << 20
_CHANGED_MEANWHILE = 1
"""tar's exit status if files changed while it read them. Tools rename whole files, so what it read is usable."""


class ArchiveTooLarge(TargetError):
    """The cache doesn't fit into the limit."""


@dataclass(frozen=True, slots=True)
class CacheTransfer:
    """``workspace`` has the environment's cache."""

    settings: HostSettings
    environment: str
    workspace: Workspace

    @property
    def folder(self) -> Path:
        """The environment's cache."""
        if self.workspace.cache is None:
            raise ValueError("the workspace has no cache")
        return self.workspace.cache

    def unpack(self, archive: BinaryIO) -> None:
        """Into an empty cache."""
        with self._started("exec tar --extract --file=- --no-same-owner", archive, subprocess.DEVNULL) as process:
            deadline = time.monotonic() + TIMEOUT
            while process.poll() is None:
                _check_time(deadline)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
            if process.returncode != 0:
                raise TargetError(wording.tar_failed(process.returncode))

    def pack(self, archive: BinaryIO, max_bytes: int) -> int:
        """Returns the size. Nothing is written if the cache is empty."""
        names = " ".join(map(shlex.quote, tools.ARCHIVED))
        chosen = f'for name in {names}; do [ -e "$name" ] && set -- "$@" "$name"; done; [ $# -gt 0 ] || exit 0'
        command = f'set --; {chosen}; exec tar --create --file=- --ignore-failed-read "$@"'
        size = 0
        with self._started(command, subprocess.DEVNULL, subprocess.PIPE) as process:
            for data in _read(process):
                size += len(data)
                if size > max_bytes:
                    raise ArchiveTooLarge(wording.larger_than(max_bytes))
                archive.write(data)
            if process.wait() not in (0, _CHANGED_MEANWHILE):
                raise TargetError(wording.tar_failed(process.returncode))
        return size

    @contextlib.contextmanager
    def _started(self, command: str, stdin: BinaryIO | int, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
        folder = sandbox.cache_path(self.settings, self.folder)
        launch = sandbox.sandboxed(self.settings, self.workspace, f"cd {shlex.quote(folder)} && {command}", {})
        file = self.settings.env(self.environment) / "run" / "cache-transfer.json"
        argv = sandbox.write_launch_file(file, replace(launch, niceness=sandbox.BUILD_NICENESS))
        with subprocess.Popen(
            argv, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _read(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Until the end of the output, without blocking for longer than it takes to notice a cancelled operation."""
    pipe: IO[bytes] | None = process.stdout
    if pipe is None:
        raise RuntimeError("the process has no pipe")
    deadline = time.monotonic() + TIMEOUT
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            _check_time(deadline)
            if selector.select(0.05):
                data = os.read(pipe.fileno(), _CHUNK)
                if not data:
                    return
                yield data


def _check_time(deadline: float) -> None:
    if CANCELLED.is_set():
        raise Cancelled(kit_wording.CANCELLED)
    if time.monotonic() > deadline:
        raise TargetError(wording.tar_timed_out(TIMEOUT))
