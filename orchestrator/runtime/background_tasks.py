"""Runs small background tasks and reports their failures.

asyncio reports the exception of a task only to code that awaits its result, and nothing awaits these.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from datetime import timedelta

from orchestrator.core.util.time_windows import TimeWindow
from orchestrator.runtime.clock import Clock

log = logging.getLogger("eph.errands")

COOLDOWN = timedelta(seconds=10)
"""The pause before a failed task is retried: cycles are much more frequent than a Git host in trouble can handle."""


class BackgroundTasks:
    """``start_once`` prevents a plan that repeats an action in each cycle from running it twice at a time."""

    def __init__(self, clock: Clock, report_problem: Callable[[str], None]) -> None:
        self._clock = clock
        self._report_problem = report_problem
        self._tasks: set[asyncio.Task[None]] = set()
        self._active: set[Hashable] = set()
        self._cooldowns: dict[Hashable, TimeWindow] = {}

    @property
    def is_busy(self) -> bool:
        """Whether any task of ``start_once`` is running."""
        return bool(self._active)

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def start_once(self, key: Hashable, work: Callable[[], Coroutine[None, None, bool]]) -> bool:
        """Start ``work`` unless it is running or paused. Returns whether it starts. If ``work`` returns False, it
        failed and is paused before a retry."""
        now = self._clock()
        self._cooldowns = {one: rest for one, rest in self._cooldowns.items() if rest.contains(now)}
        if key in self._active or key in self._cooldowns:
            return False
        self._active.add(key)
        self.start(self._run_once(key, work))
        return True

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_once(self, key: Hashable, work: Callable[[], Coroutine[None, None, bool]]) -> None:
        well = False
        try:
            well = await work()
        finally:
            self._active.discard(key)
            if not well:
                self._cooldowns[key] = TimeWindow(self._clock(), COOLDOWN)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("a background task failed", exc_info=error)
        self._report_problem(f"{type(error).__name__}: {error}")
