"""One life of ephd, in virtual time: every part of ``orchestrator.app.wiring`` that decides, between the modelled host
and the modelled machine. What survives it lies on the machine and in its home."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from orchestrator.app import owed
from orchestrator.app.owed import Owed
from orchestrator.app.shows import Herald
from orchestrator.config.bounds import ServerPolicy
from orchestrator.core.policy import Policy
from orchestrator.core.views import EnvironmentView
from orchestrator.ledger.port import Ledger
from orchestrator.runtime import recipes
from orchestrator.runtime.executor import Executor, Means
from orchestrator.runtime.forge_facts import ForgeReader
from orchestrator.runtime.health import Monitor
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Loop, Parts, Shown
from orchestrator.runtime.memory import Memory
from orchestrator.runtime.observe import Observer, Sources
from orchestrator.runtime.recipes import Recipes, Rules
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.reporter import Reporter
from stacks.model import StackRef
from tests.model.hosts import LyingForge
from tests.model.machine import TARGET, Machine

recipes.parse = lru_cache(64)(recipes.parse)
"""There are two files in this world; reading them anew would be a third of all the work."""
INTERVAL = timedelta(seconds=30)
DEADLINE = 90.0


class Home(Owed):
    """What lies in ephd's home: kept over a kill, as text, without a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[EnvironmentView, ...] = ()

    def recall(self) -> dict[StackRef, EnvironmentView]:
        found = [owed.view_of(owed.row_of(view)) for view in self._kept]
        return {view.ref: view for view in found}

    def keep(self, views: Iterable[EnvironmentView]) -> None:
        self._kept = tuple(view for view in views if view.key is not None)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a life stands on, and what it leaves behind. ``seen`` is shown every cycle's outcome."""

    forge: LyingForge
    machine: Machine
    ledger: Ledger
    policy: Policy
    clock: Callable[[], datetime]
    home: Home
    seen: Callable[[Shown], None]
    interval: timedelta = INTERVAL


class Life:
    """Alive from its making until ``die``. Needs a running event loop."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        machine, clock = ground.machine, ground.clock
        machine.recover()
        self.memory = Memory()
        self.wakeups = Wakeups()
        self.journal = Journal(ground.ledger, clock)
        self.executor = Executor(self._means(), self.memory)
        self.monitor = Monitor(self._probe, clock, self.wakeups.wake)
        self.herald = Herald(Reporter(ground.forge, clock), self.journal, ground.home)
        self.loop = self._loop()
        self.memory.recall(machine.last.values())
        machine.emptied = self.herald.destroyed
        self._tasks = [asyncio.ensure_future(work) for work in (self.herald.run(), self.loop.run())]

    def _loop(self) -> Loop:
        ground = self._ground
        bounds = ServerPolicy(installed=frozenset({TARGET}))
        files = Recipes(ground.forge, Rules(bounds, b"k" * 32, "localhost", {TARGET: {}}), ground.clock)
        sources = Sources(
            forge=ForgeReader(ground.forge, files, ground.policy.trusted_authors_only),
            inventory=ground.machine,
            targets={TARGET: ground.machine.names},
            health=self.monitor.answers,
            lanes=self.executor,
        )
        parts = Parts(Observer(sources, self.memory), self.executor, self.monitor, self.journal, self.wakeups)
        loop = Loop(parts, ground.policy, ground.clock, ground.interval)
        loop.audience = (self.herald.show, ground.seen)
        self.herald.why = self.executor.why
        self.herald.forget = ground.machine.forget
        return loop

    def _means(self) -> Means:
        ground = self._ground
        return Means(
            operations=ground.machine,
            forge=ground.forge,
            settings={TARGET: {}},
            deadline=DEADLINE,
            clock=ground.clock,
            journal=self.journal,
            woken=self.wakeups.wake,
            looked=lambda: self.wakeups.wake(look=True),
            target=lambda _: ground.machine,
        )

    async def _probe(self, host: str, path: str) -> tuple[bool, str]:
        answers = bool(self._ground.machine.serves(host.partition(".")[0]))
        return answers, f"{path} answered {200 if answers else 502}"

    @property
    def broken(self) -> str:
        """What ended that should not have; empty while all is well."""
        for task in self._tasks:
            if task.done():
                return repr(task.exception()) if not task.cancelled() else "it was cancelled"
        return ""

    def forsake(self) -> None:
        """Its operations hear no more of it: that is the first of a death."""
        self._ground.machine.emptied = None

    async def die(self) -> None:
        """``kill -9``: nothing of it takes one more step. The operations are others' (``Machine.abandon``)."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.monitor.close()
        await self.executor.close()
