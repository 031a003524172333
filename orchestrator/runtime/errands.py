"""Small works in the background: told when they break, and never lost without a word.

An asyncio task that raises says so only when somebody asks for its result; nobody asks for these.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from datetime import timedelta

from orchestrator.core.moments import Rest
from orchestrator.runtime.clock import Clock

log = logging.getLogger("eph.errands")

PAUSE = timedelta(seconds=10)
"""Before what failed is asked for again: cycles come much more often than a Git host in trouble likes."""


class Errands:
    """``once`` keeps a plan that says the same each cycle from doing the same twice at a time."""

    def __init__(self, clock: Clock, trouble: Callable[[str], None]) -> None:
        self._clock = clock
        self._trouble = trouble
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: set[Hashable] = set()
        self._resting: dict[Hashable, Rest] = {}

    @property
    def under_way(self) -> bool:
        """Whether any that is done ``once`` at a time is not over."""
        return bool(self._under_way)

    def run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def once(self, what: Hashable, work: Callable[[], Coroutine[None, None, bool]]) -> bool:
        """Whether it begins now. ``work`` gives False when it failed and should rest before it is tried again."""
        now = self._clock()
        self._resting = {one: rest for one, rest in self._resting.items() if rest.lasts(now)}
        if what in self._under_way or what in self._resting:
            return False
        self._under_way.add(what)
        self.run(self._once(what, work))
        return True

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _once(self, what: Hashable, work: Callable[[], Coroutine[None, None, bool]]) -> None:
        well = False
        try:
            well = await work()
        finally:
            self._under_way.discard(what)
            if not well:
                self._resting[what] = Rest(self._clock(), PAUSE)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("something in the background broke", exc_info=error)
        self._trouble(f"{type(error).__name__}: {error}")
