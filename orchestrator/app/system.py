"""A composed Eph, and its life: started in an order in which nothing waits for what comes later, stopped in reverse.

Start: what an earlier process left running, what targets share, the gateway; at last the loop. Stop: the loop, then
running operations (interrupted, their state saved). The lease of a leader is released last, so that no other replica
leads while anything here still runs. A start that fails stops what it had started.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from orchestrator.app.ports import Options, Ports
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.facts.loop_facts import LoopFacts
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.server.target_keeper import TargetKeeper
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from orchestrator.runtime.terms import Terms
from orchestrator.service.auditor import Auditor
from orchestrator.service.command_listener import CommandListener
from orchestrator.service.environment_service import LocalControlPlane
from orchestrator.service.notifier import Notifier

GATEWAY_CHECK_INTERVAL = 5.0
TARGET_CHECK_INTERVAL = 5.0


class ComponentFailed(RuntimeError):
    """A part that should run as long as ephd does has ended; the message names it."""


@dataclass(slots=True)
class System:
    """Created by ``compose``. ``async with`` starts and stops it."""

    ports: Ports
    options: Options
    facts: LoopFacts
    journal: Journal
    cycles: Cycles
    leadership: Leadership
    terms: Terms
    suites: SuiteRunner
    notifier: Notifier
    executor: PlanExecutor
    monitor: HealthMonitor
    auditor: Auditor
    service: LocalControlPlane
    commands: CommandListener
    targets: TargetKeeper
    loop: Loop
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _lease: asyncio.Task[None] | None = None
    _exits: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

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
        await self._exits.aclose()

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """Everything that runs until ``stop``; a task that ends by itself has failed."""
        return self._tasks

    async def _start(self) -> None:
        ports, exits = self.ports, self._exits
        exits.push_async_callback(self._release_lease)
        for close in (self.monitor.close, self.suites.close, self.executor.close, ports.operations.close):
            exits.push_async_callback(close)
        await self.prepare()
        await ports.operations.open()
        await ports.gateway.ensure()
        exits.callback(self.journal.record, EventKind.SERVICE_STOPPED, "stop requested")
        self._lease = asyncio.create_task(ports.lease.run(), name="lease")
        self._tasks.append(self._lease)
        for name, work in self._parts():
            task = asyncio.create_task(work, name=name)
            exits.push_async_callback(_cancel, task)
            self._tasks.append(task)
        self.journal.record(EventKind.SERVICE_STARTED, f"eph {self.options.version}")

    def _parts(self) -> Iterable[tuple[str, Coroutine[None, None, None]]]:
        ports = self.ports
        yield "gateway", ports.gateway.keep_running(GATEWAY_CHECK_INTERVAL)
        yield "targets", self.targets.run(TARGET_CHECK_INTERVAL)
        yield "memory", ports.memory.run()
        yield "traffic", ports.traffic.watch(ports.wakeups.wake)
        yield "notifier", self.notifier.run()
        yield "commands", self.commands.run()
        yield "loop", self.loop.run()

    async def _release_lease(self) -> None:
        if self._lease is not None:
            await _cancel(self._lease)


async def wait_for_failure(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Until one of them has ended; raises the error that names it."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        error = None if task.cancelled() else task.exception()
        raise ComponentFailed(f"the task {task.get_name()!r} of ephd stopped: {error or 'without an error'}") from error


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
