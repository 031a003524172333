"""One process of ephd, in virtual time: ``compose`` between the modelled host and the modelled machine. What survives
it is on the machine and in its home."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from orchestrator.app.compose import compose
from orchestrator.app.ports import Options, Ports
from orchestrator.core.model.policy import Policy
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.ledger.port import Ledger
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service.reports import pending_reports
from orchestrator.service.reports.pending_reports import PendingReports
from orchestrator.sources import recipe_reader
from stacks.model import StackRef
from tests.worlds.composition import INTERVAL, fake_options, fake_ports
from tests.worlds.model.machine import TARGET, ModelMachine
from tests.worlds.model.unreliable_forge import UnreliableForge

parse_once = lru_cache(64)(recipe_reader.parse_file)
"""There are two files in this world; reading them anew would be a third of all the work."""
DEADLINE = timedelta(seconds=90)


class EphdHome(PendingReports):
    """What lies in ephd's home: kept over a kill, as text, without a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[EnvironmentView, ...] = ()

    def load(self) -> dict[StackRef, EnvironmentView]:
        found = [pending_reports.from_row(pending_reports.to_row(view, view.key)) for view in self._kept if view.key]
        return {view.ref: view for view in found}

    def save(self, views: Iterable[EnvironmentView]) -> None:
        self._kept = tuple(view for view in views if view.key is not None)


@dataclass(frozen=True, slots=True)
class EphdDependencies:
    """What a life stands on, and what it leaves behind. ``on_cycle`` is shown every cycle's outcome."""

    forge: UnreliableForge
    machine: ModelMachine
    ledger: Ledger
    policy: Policy
    clock: Callable[[], datetime]
    home: EphdHome
    on_cycle: Callable[[CycleResult], None]
    interval: timedelta = INTERVAL


class ModelEphd:
    """Alive from its creation until ``kill``. Needs a running event loop. Of the system's tasks only the loop and the
    reports run: nobody writes comments here, and the machine around has nothing to watch."""

    def __init__(self, dependencies: EphdDependencies) -> None:
        self._dependencies = dependencies
        self.system = compose(self._ports(), self._options())
        self.wakeups, self.facts = self.system.ports.wakeups, self.system.facts
        work = (self.system.notifier.run(), self.system.loop.run())
        self._tasks = [asyncio.ensure_future(each) for each in work]

    def _ports(self) -> Ports:
        world = self._dependencies
        return replace(
            fake_ports(world.clock),
            forge=world.forge,
            inventory=world.machine,
            create_inventory=lambda: world.machine,
            operations=world.machine,
            target=lambda _: world.machine,
            ledger=world.ledger,
            probe=self._probe,
            pending_reports=world.home,
            listeners=(world.on_cycle,),
        )

    def _options(self) -> Options:
        options = fake_options(self._dependencies.policy, {TARGET: {}})
        rules = replace(options.rules, parse_file=parse_once)
        return replace(options, rules=rules, interval=self._dependencies.interval, deadline=DEADLINE)

    async def _probe(self, origin: str, path: str) -> tuple[bool, str]:
        answers = bool(self._dependencies.machine.served_commit(origin.partition("://")[2].partition(".")[0]))
        return answers, f"{path} answered {200 if answers else 502}"

    @property
    def failure(self) -> str:
        """What ended that should not have; empty while all is well."""
        for task in self._tasks:
            if task.done():
                return repr(task.exception()) if not task.cancelled() else "it was cancelled"
        return ""

    @property
    def last_cycle(self) -> CycleResult:
        return self.system.cycles.latest

    async def kill(self) -> None:
        """``kill -9``: nothing of it takes one more step. The operations are others' (``Machine.abandon``)."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.system.monitor.close()
        await self.system.executor.close()
