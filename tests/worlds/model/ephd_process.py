"""One life of ephd, in virtual time: every part of ``orchestrator.app.composition`` that decides, between the modelled
host and the modelled machine. What survives it lies on the machine and in its home."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.core.model.policy import Policy
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.ledger.port import Ledger
from orchestrator.runtime.executor import Executor, ExecutorDependencies
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import CycleResult, Loop, LoopDependencies
from orchestrator.runtime.loop_state import LoopState
from orchestrator.runtime.observation import recipe_reader
from orchestrator.runtime.observation.forge_reader import ForgeReader
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.observation.observer import Observer, ObserverSources
from orchestrator.runtime.observation.recipe_reader import RecipeReader, ServerRules
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service import pending_reports
from orchestrator.service.notifier import Notifier
from orchestrator.service.pending_reports import PendingReports
from orchestrator.surfaces.reports.reporter import Reporter
from stacks.model import StackRef
from tests.worlds.model.machine import TARGET, ModelMachine
from tests.worlds.model.unreliable_forge import UnreliableForge

recipe_reader.parse = lru_cache(64)(recipe_reader.parse)
"""There are two files in this world; reading them anew would be a third of all the work."""
INTERVAL = timedelta(seconds=30)
DEADLINE = 90.0


class EphdHome(PendingReports):
    """What lies in ephd's home: kept over a kill, as text, without a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[EnvironmentView, ...] = ()

    def load(self) -> dict[StackRef, EnvironmentView]:
        found = [pending_reports.from_row(pending_reports.to_row(view)) for view in self._kept]
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
    """Alive from its making until ``kill``. Needs a running event loop."""

    def __init__(self, dependencies: EphdDependencies) -> None:
        self._dependencies = dependencies
        machine, clock = dependencies.machine, dependencies.clock
        machine.recover()
        self.memory = LoopState()
        self.wakeups = Wakeups()
        self.journal = Journal(dependencies.ledger, clock)
        self.executor = Executor(self._means(), self.memory)
        self.monitor = HealthMonitor(self._probe, clock, self.wakeups.wake)
        self.herald = Notifier(Reporter(dependencies.forge, clock), self.journal, dependencies.home)
        self.loop = self._loop()
        self.memory.restore_failures(machine.last_results.values())
        machine.on_destroyed = self.herald.report_destroyed
        self._tasks = [asyncio.ensure_future(work) for work in (self.herald.run(), self.loop.run())]

    def _loop(self) -> Loop:
        ground = self._dependencies
        bounds = AdmissionPolicy(installed_targets=frozenset({TARGET}))
        files = RecipeReader(ground.forge, ServerRules(bounds, b"k" * 32, "localhost", {TARGET: {}}), ground.clock)
        sources = ObserverSources(
            forge=ForgeReader(ground.forge, files, ground.policy.trusted_authors_only),
            inventory=ground.machine,
            targets={TARGET: ground.machine.list_environments},
            health=self.monitor.statuses,
            operations=self.executor,
        )
        parts = LoopDependencies(
            Observer(sources, self.memory), self.executor, self.monitor, self.journal, self.wakeups
        )
        loop = Loop(parts, ground.policy, ground.clock, ground.interval)
        loop.listeners = (self.herald.on_cycle, ground.on_cycle)
        self.herald.destroy_reason = self.executor.reason
        self.herald.forget_record = ground.machine.forget
        return loop

    def _means(self) -> ExecutorDependencies:
        ground = self._dependencies
        return ExecutorDependencies(
            operations=ground.machine,
            forge=ground.forge,
            settings={TARGET: {}},
            deadline=DEADLINE,
            clock=ground.clock,
            journal=self.journal,
            wake=self.wakeups.wake,
            refresh_forge=lambda: self.wakeups.wake(refresh=True),
            target=lambda _: ground.machine,
        )

    async def _probe(self, host: str, path: str) -> tuple[bool, str]:
        answers = bool(self._dependencies.machine.served_commit(host.partition(".")[0]))
        return answers, f"{path} answered {200 if answers else 502}"

    @property
    def failure(self) -> str:
        """What ended that should not have; empty while all is well."""
        for task in self._tasks:
            if task.done():
                return repr(task.exception()) if not task.cancelled() else "it was cancelled"
        return ""

    def detach_operations(self) -> None:
        """Its operations hear no more of it: that is the first of a death."""
        self._dependencies.machine.on_destroyed = None

    async def kill(self) -> None:
        """``kill -9``: nothing of it takes one more step. The operations are others' (``Machine.abandon``)."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.monitor.close()
        await self.executor.close()
