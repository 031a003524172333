"""A composed Eph, and its life: started in an order in which nothing waits for what comes later, stopped in reverse.

Start: what an earlier process left running, what targets share, the gateway; at last the loop. Stop: the loop, then
running operations (interrupted, their state saved). The lease of a leader is released last, so that no other replica
leads while anything here still runs. A start that fails stops what it had started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from orchestrator.app.ports import Options, Ports
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.costs.cost_accounts import CostAccounts
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.facts.loop_facts import LoopFacts
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.observation.meter import Meter
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.server.lifecycle import Lifecycle
from orchestrator.runtime.server.target_keeper import TargetKeeper
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from orchestrator.runtime.terms import Terms
from orchestrator.service.changes.label_requests import LabelRequests
from orchestrator.service.chat.command_listener import CommandListener
from orchestrator.service.environment_service import LocalControlPlane
from orchestrator.service.output.published_output import PublishedOutput
from orchestrator.service.reports.auditor import Auditor
from orchestrator.service.reports.notifier import Notifier

GATEWAY_CHECK_INTERVAL = 5.0
TARGET_CHECK_INTERVAL = 5.0


@dataclass(slots=True)
class System:
    """Created by ``compose()``. ``async with`` starts and stops it."""

    ports: Ports
    options: Options
    facts: LoopFacts
    meter: Meter
    journal: Journal
    cycles: Cycles
    leadership: Leadership
    terms: Terms
    suites: SuiteRunner
    notifier: Notifier
    output: PublishedOutput
    executor: PlanExecutor
    monitor: HealthMonitor
    auditor: Auditor
    service: LocalControlPlane
    commands: CommandListener
    labels: LabelRequests
    costs: CostAccounts
    targets: TargetKeeper
    loop: Loop
    _lifecycle: Lifecycle = field(default_factory=Lifecycle)
    _lease: Lifecycle = field(default_factory=Lifecycle)
    """Apart from the other tasks, because it starts among them and is released last."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def prepare(self) -> None:
        """Recovers what an earlier process left, and brings up what targets share. Nothing runs afterwards."""
        await asyncio.to_thread(self.ports.create_folders)
        await self.terms.ensure_term()
        await asyncio.to_thread(self.targets.ensure)

    async def start(self) -> None:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await self._lifecycle.stop()

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """Everything that runs until ``stop``; a task that ends early has failed."""
        return (*self._lease.tasks, *self._lifecycle.tasks)

    async def _start(self) -> None:
        ports, lifecycle = self.ports, self._lifecycle
        operations = ports.operations
        closing = (self.monitor, self.suites, self.executor, operations, self.labels)
        for close in (self._lease.stop, *(part.close for part in closing)):
            lifecycle.on_stop(close)
        await self.prepare()
        await self.costs.sync()  # before the first cycle, so that a used-up budget counts at once
        await operations.open()
        await ports.gateway.ensure()
        lifecycle.on_stop(self._record_stop)
        self._lease.run("lease", ports.lease.run())
        for name, work in self._parts():
            lifecycle.run(name, work)
        self.journal.record(EventKind.SERVICE_STARTED, f"eph {self.options.version}")

    async def _record_stop(self) -> None:
        await self.costs.sync()
        self.journal.record(EventKind.SERVICE_STOPPED, "stop requested")

    def _parts(self) -> Iterable[tuple[str, Coroutine[None, None, None]]]:
        ports = self.ports
        yield "gateway", ports.gateway.keep_running(GATEWAY_CHECK_INTERVAL)
        yield "targets", self.targets.run(TARGET_CHECK_INTERVAL)
        yield "memory", ports.memory.run()
        yield "traffic", ports.traffic.watch(lambda: ports.wakeups.wake(targets=False))
        yield "notifier", self.notifier.run()
        yield "output", self.output.run()
        yield "costs", self.costs.run()
        yield "commands", self.commands.run()
        yield "loop", self.loop.run()
