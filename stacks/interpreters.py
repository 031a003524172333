"""Worker processes before and after their operation: started warm, let go as a whole.

Each leads a session of its own and has a folder of its own under ``work``, where everything temporary of its operation
lies; both go with it, however it ends. The mark is in the environment of all that it starts.
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

from stacks import processes
from stacks.places import OPERATION_MARK, Places

LINE_LIMIT = 4 * 1024 * 1024
_FAREWELL = 2.0
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A worker that has said, or is about to say, that it is ready."""

    process: asyncio.subprocess.Process
    mark: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def alive(self) -> bool:
        return self.process.returncode is None


async def spawn(places: Places) -> Interpreter:
    mark = uuid.uuid4().hex
    folder = places.work / mark
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "log").open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stacks.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=_environment(os.environ, places, mark),
            start_new_session=True,
            limit=LINE_LIMIT,
        )
    return Interpreter(process, mark, folder)


def _environment(ours: Mapping[str, str], places: Places, mark: str) -> dict[str, str]:
    """What a shell says of Pulumi (another passphrase, another backend) must not reach our stacks."""
    kept = {name: value for name, value in ours.items() if not name.startswith("PULUMI_")}
    return {**kept, **places.environment(), OPERATION_MARK: mark}


async def end(interpreter: Interpreter) -> None:
    """Ends the worker and everything of its session: first by the end of its input, then for good."""
    process = interpreter.process
    if process.stdin is not None:
        process.stdin.close()
    if interpreter.alive:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), timeout=_FAREWELL)
    for _ in range(_ROUNDS):
        members = processes.session_members(process.pid)
        if not members:
            break
        for pid in members:
            processes.send(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)  # until they are corpses; one may have forked meanwhile
    await process.wait()
    shutil.rmtree(interpreter.folder, ignore_errors=True)
