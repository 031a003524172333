"""The tasks of a process: started one by one, stopped in reverse order. A task that ends early has failed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

from orchestrator.runtime import wording


class ComponentFailed(RuntimeError):
    """A part that should run as long as ephd does has ended; the message names it."""


class Lifecycle:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._exits = contextlib.AsyncExitStack()

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """Everything that runs until ``stop``."""
        return self._tasks

    def on_stop(self, close: Callable[[], Awaitable[object]]) -> None:
        self._exits.push_async_callback(close)

    def run(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Starts a task that ``stop`` cancels."""
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        self._exits.push_async_callback(_cancel, task)

    async def stop(self) -> None:
        await self._exits.aclose()


async def wait_for_failure(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Until one of them has ended; raises the error that names it."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        error = None if task.cancelled() else task.exception()
        raise ComponentFailed(wording.startup.task_stopped(task.get_name(), error)) from error


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
