"""Worker processes before and after their operation: started warm, terminated as a whole.

Each leads its own session and has its own folder under ``work`` for everything temporary. Both are removed with it,
however it ends. Everything it starts has its ID in the environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stacks import process_identity
from stacks.operations.worker_settings import OPERATION_ENV, WARM_TARGETS_ENV, WorkerSettings

MAX_LINE_BYTES = 4 * 1024 * 1024
_FAREWELL = 2.0
_KILL_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class WarmWorker:
    """A worker that is ready, or about to be."""

    process: asyncio.subprocess.Process
    operation_id: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None


async def spawn(settings: WorkerSettings) -> WarmWorker:
    mark = uuid.uuid4().hex
    folder = settings.work / mark
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "log").open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stacks.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=_environment(os.environ, settings, mark),
            start_new_session=True,
            limit=MAX_LINE_BYTES,
        )
    return WarmWorker(process, mark, folder)


def _environment(inherited: Mapping[str, str], settings: WorkerSettings, operation_id: str) -> dict[str, str]:
    """Variables of the shell about Pulumi (another passphrase, another backend) must not reach our stacks."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("PULUMI_")}
    own = {OPERATION_ENV: operation_id, WARM_TARGETS_ENV: ",".join(settings.targets)}
    return {**kept, **settings.environment(), **own}


async def end(worker: WarmWorker, farewell: float = _FAREWELL) -> None:
    """Ends the worker and its session: first by closing its input, then by killing it."""
    process = worker.process
    if process.stdin is not None:
        process.stdin.close()
    if worker.is_alive:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), timeout=farewell)
    for _ in range(_KILL_ATTEMPTS):
        members = process_identity.session_members(process.pid)
        if not members:
            break
        for pid in members:
            process_identity.send_signal(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)  # until only zombies are left; one may have forked meanwhile
    await process.wait()
    shutil.rmtree(worker.folder, ignore_errors=True)
