"""Warm workers: interpreters that have imported everything slow and wait for an operation."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from stacks.executors.process import warm_workers
from stacks.executors.process.warm_workers import WarmWorker
from stacks.operations.worker_settings import WorkerSettings

log = logging.getLogger(__name__)


class WorkerPool:
    """``operation_ids`` contains the IDs of all workers that this process started and hasn't ended."""

    def __init__(self, settings: WorkerSettings, size: int) -> None:
        self._settings = settings
        self._size = size
        self._idle: deque[WarmWorker] = deque()
        self._refill_task: asyncio.Task[None] | None = None
        self._closed = False
        self.operation_ids: set[str] = set()

    @property
    def idle(self) -> tuple[WarmWorker, ...]:
        return tuple(self._idle)

    def refill(self) -> None:
        """Runs in the background."""
        if not self._closed and (self._refill_task is None or self._refill_task.done()):
            self._refill_task = asyncio.create_task(self._keep_warm())

    async def acquire(self) -> WarmWorker:
        while self._idle:
            found = self._idle.popleft()
            if found.is_alive:
                return found
            await self.release(found)
        return await self._spawn()

    async def release(self, worker: WarmWorker) -> None:
        """Ends the worker and everything in its session."""
        await warm_workers.end(worker)
        self.operation_ids.discard(worker.operation_id)

    async def close(self) -> None:
        self._closed = True
        if self._refill_task is not None:
            await asyncio.gather(self._refill_task, return_exceptions=True)
        while self._idle:
            await self.release(self._idle.popleft())

    async def _keep_warm(self) -> None:
        while len(self._idle) < self._size and not self._closed:
            try:
                self._idle.append(await self._spawn())
            except OSError as error:  # the operation that needs one reports the error
                log.warning("couldn't start a worker: %s", error)
                return

    async def _spawn(self) -> WarmWorker:
        fresh = await warm_workers.spawn(self._settings)
        self.operation_ids.add(fresh.operation_id)
        return fresh
