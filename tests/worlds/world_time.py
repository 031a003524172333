"""Virtual time in a world: the clock jumps from one thing that is due to the next, as in ``Loop.run``."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta

from tests.worlds.world_process import WorldProcess

MAX_CYCLES_PER_MOMENT = 60
"""Cycles at one and the same moment: more is a loop that turns in a circle."""
IMPATIENT_TURNS = 200
"""Most operations end within so many turns of the event loop. What takes longer waits for a thread or a real clock."""


class WorldTime(WorldProcess):
    async def run_cycle(self, refresh: bool = True) -> datetime:
        """One cycle, and everything that it started and that can end by itself."""
        self.cycles += 1
        due = await self.loop.cycle(refresh)
        await self.wait_until_idle()
        if self._chat:
            await self.system.commands.process()
        await self.notifier.report()
        return due

    async def run_for(self, **span: float) -> None:
        """Lets this much time pass, with every cycle that falls due or is woken in it; at least one of them."""
        end, refresh, turns = self.now + timedelta(**span), True, 0
        while True:
            due = await self.run_cycle(refresh)
            woken = self.wakeups.take()
            turns = turns + 1
            assert turns < MAX_CYCLES_PER_MOMENT, f"{turns} cycles at {self.now}: {self.last_cycle.plan}"
            if woken is not None:
                refresh = woken
                continue
            if self.now >= end:
                return
            turns = turns if due <= self.now else 0
            await self._pass_until(min(max(due, self.now), end))
            refresh = True

    async def skip_ahead(self, **span: float) -> None:
        """This much time at once, as on a machine that slept, between a moment and a minute of life."""
        await self.run_for(seconds=0)
        self.now += timedelta(**span)
        await self._pass_until(self.now)
        await self.run_for(minutes=1)

    def set_back(self, **span: float) -> None:
        """Someone sets the clock back. Sleepers don't sleep longer because of it."""
        self.now -= timedelta(**span)
        self._sleepers = [(due - timedelta(**span), future) for due, future in self._sleepers]

    async def _pass_until(self, moment: datetime) -> None:
        """The clock jumps. Every sleeper whose time has come wakes, earliest first."""
        while dues := [due for due, future in self._sleepers if due <= moment and not future.done()]:
            self.now = max(self.now, min(dues))
            for due, future in self._sleepers:
                if due <= self.now and not future.done():
                    future.set_result(None)
            self._sleepers = [(due, future) for due, future in self._sleepers if not future.done()]
            await self.wait_until_idle()
            if self.wakeups.recorded:
                return
        self.now = max(self.now, moment)

    async def wait_until_idle(self) -> None:
        """Until everything that runs is held, or waits for the clock."""
        turns = itertools.count()
        async with asyncio.timeout(20):
            while self._is_busy():
                await asyncio.sleep(0 if next(turns) < IMPATIENT_TURNS else 0.001)
        for _ in range(6):
            await asyncio.sleep(0)

    def _is_busy(self) -> bool:
        running = self.executor.running.items()
        free = any(ref not in self.held_stacks or each.interrupting for ref, each in running)
        return free or self.executor.background_tasks.is_busy
