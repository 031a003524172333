"""Operations as ephd runs them: the process executor with the real worker and the real Pulumi, called from tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from stacks.executors import registry
from stacks.executors.port import ExecutorSettings
from stacks.model import Operation, OperationResult
from stacks.operations.worker_settings import WorkerSettings

OnStep = Callable[[str], bool]
"""Is given each line of progress, and says whether to kill the operation there."""
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FinishedOperation:
    """``progress``: what people would have seen. ``killed_at``: the line of progress at which it was killed."""

    result: OperationResult
    progress: list[str] = field(default_factory=list)
    killed_at: str = ""


class OperationRunner:
    """Has its own event loop in a thread, because tests block."""

    def __init__(self, worker: WorkerSettings, version: str, records: Path) -> None:
        self._executor = registry.open_executor(registry.DEFAULT, ExecutorSettings(worker, version, records))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="operations")
        self._thread.start()
        self._call(self._executor.open())

    def run(self, operation: Operation, kill_at: OnStep = lambda _: False) -> FinishedOperation:
        return self._call(self._run(operation, kill_at))

    def close(self) -> None:
        self._call(self._executor.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _run(self, operation: Operation, kill_at: OnStep) -> FinishedOperation:
        progress: list[str] = []
        killed: list[str] = []

        def report(text: str) -> None:
            progress.append(text)
            if not killed and kill_at(text):
                killed.append(text)
                self._kill()

        result = await self._executor.start(operation, report, _allow_removal).wait()
        return FinishedOperation(result, progress, "".join(killed))

    def _kill(self) -> None:
        """``kill -9`` for the worker. Its executor then kills whatever is left of its session."""
        for session in self._executor.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)

    def _call(self, coroutine: Coroutine[object, object, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


async def _allow_removal(_: Operation) -> bool:
    return True
