"""Small works in the background: told when they break, and never lost without a word.

An asyncio task that raises says so only when somebody asks for its result; nobody asks for these.
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
"""Before what failed is asked for again: cycles come much more often than a Git host in trouble likes."""


class BackgroundTasks:
    """``start_once`` keeps a plan that says the same each cycle from doing the same twice at a time."""

    def __init__(self, clock: Clock, report_problem: Callable[[str], None]) -> None:
        self._clock = clock
        self._report_problem = report_problem
        self._tasks: set[asyncio.Task[None]] = set()
        self._active: set[Hashable] = set()
        self._cooldowns: dict[Hashable, TimeWindow] = {}

    @property
    def is_busy(self) -> bool:
        """Whether any that is done ``start_once`` at a time is not over."""
        return bool(self._active)

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def start_once(self, key: Hashable, work: Callable[[], Coroutine[None, None, bool]]) -> bool:
        """Whether it begins now. ``work`` gives False when it failed and should rest before it is tried again."""
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
