"""The reconcile loop: wake, observe, plan, execute, publish; every 30 seconds, and earlier when woken.

With several replicas, only the leader executes and publishes; the others observe, so that they are ready to take over
(``leadership``).

The loop is level-triggered: each cycle compares everything desired with everything observed. A lost, duplicate or late
event only changes latency, and after a failed cycle the next one starts as usual.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import World
from orchestrator.core.planning import plans
from orchestrator.core.planning.plan_actions import Wait
from orchestrator.core.planning.plans import Plan
from orchestrator.core.util.time_windows import is_within
from orchestrator.core.views import environment_views
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime import wording
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import CycleListener, CycleResult, Cycles
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.observation import health_monitor
from orchestrator.runtime.observation.health_monitor import HealthMonitor
from orchestrator.runtime.observation.observer import Observer
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.operations.remote_operations import RemoteOperations
from orchestrator.runtime.terms import Terms
from orchestrator.runtime.wakeups import FULL_REFRESH, UNLIMITED, Refresh, RefreshScope, Wakeups

log = logging.getLogger("eph.loop")

MIN_CYCLE_INTERVAL = 0.05
"""Seconds between two cycles that the plan itself requests."""
MIN_REFRESH_INTERVAL = 0.5
"""Seconds between two reads of the Git host, so that many webhooks cause few cycles. The first wake-up after a quiet
period acts at once."""
RETRY_AFTER = timedelta(seconds=5)
FIRST_CHECK_SECONDS = 1.0
"""How long the first cycle waits for health checks, so that environments that respond are ready from the start."""


@dataclass(frozen=True, slots=True)
class LoopDependencies:
    """``listeners`` are called after every cycle of a leader: reports, the gateway's pages, test suites."""

    observer: Observer
    executor: PlanExecutor
    monitor: HealthMonitor
    journal: Journal
    wakeups: Wakeups
    leadership: Leadership
    terms: Terms
    remote_operations: RemoteOperations
    cycles: Cycles
    listeners: Sequence[CycleListener] = ()
    min_refresh_interval: float = MIN_REFRESH_INTERVAL


class Loop:
    def __init__(self, dependencies: LoopDependencies, policy: Policy, clock: Clock, interval: timedelta) -> None:
        self._dependencies = dependencies
        self._policy = policy
        self._clock = clock
        self._interval = interval
        self._refreshed_at: datetime | None = None
        self._failed = False
        self._has_checked = False

    async def run(self) -> None:
        """Run until cancelled."""
        look = FULL_REFRESH
        while True:
            began = monotonic()
            until = await self.cycle(look.needed, look.scope, look.targets)
            looked, look = look, await self._wait(until)
            if looked.needed and look.needed:
                await asyncio.sleep(max(0.0, began + self._dependencies.min_refresh_interval - monotonic()))

    async def _wait(self, until: datetime) -> Refresh:
        return await self._dependencies.wakeups.wait(max(MIN_CYCLE_INTERVAL, (until - self._clock()).total_seconds()))

    async def cycle(self, refresh: bool, scope: RefreshScope = UNLIMITED, targets: bool = True) -> datetime:
        """Run one cycle and return when the next is due. An error is recorded and changes nothing else.

        ``scope`` limits what is read from the Git host, and ``targets=False`` reuses the last listing of the targets,
        unless the interval is over and everything is due.
        """
        began = self._clock()
        if self._refreshed_at is None or not is_within(self._refreshed_at, self._interval, began):
            refresh, scope, targets = True, UNLIMITED, True
        try:
            plan = await self._cycle(began, Refresh(refresh, scope, targets))
        except Exception as error:  # the next cycle looks at everything again
            log.exception("the cycle failed")
            self._failed = True
            self._dependencies.journal.record_problem(f"{type(error).__name__}: {error}")
            return began + min(self._interval, RETRY_AFTER)
        self._record_recovery()
        if refresh and not scope:
            self._refreshed_at = began
        return self._next_cycle_at(plan)

    async def _cycle(self, began: datetime, refresh: Refresh) -> Plan:
        parts, leading = self._dependencies, self._dependencies.leadership
        await parts.terms.ensure_term()
        term = leading.term
        world = await parts.observer.observe(self._clock, refresh, await parts.remote_operations.in_progress())
        if not self._has_checked:
            world, self._has_checked = await self._with_first_checks(world), True
        now = self._clock()
        plan = plans.plan(world, self._policy, now)
        if plan.changes and await leading.confirm_term(term):
            parts.executor.execute(plan, parts.observer.forge.repositories)
            await asyncio.sleep(0)  # the operations begin now, not after all that follows here
        parts.monitor.watch(health_monitor.probe_requests(world))
        seen = environment_views.build(world, plan, self._policy, now)
        leads = term != 0 and leading.term == term
        if leads:
            parts.journal.record_phases(seen)
            parts.journal.record_repositories(world.repositories.values(), plan.held_note)
        parts.cycles.publish(
            CycleResult(
                views=seen,
                plan=plan,
                forge=parts.observer.forge,
                foreign_stacks=world.stacks.foreign_count,
                remote_operations=sum(operation.remote for operation in world.running.values()),
                complete=world.stacks.complete and all(facts.complete for facts in world.repositories.values()),
                at=now,
                seconds=(self._clock() - began).total_seconds(),
            )
        )
        if leads:
            self._notify_listeners()
        return plan

    async def _with_first_checks(self, world: World) -> World:
        monitor = self._dependencies.monitor
        monitor.watch(health_monitor.probe_requests(world))
        await monitor.wait_for_first_results(FIRST_CHECK_SECONDS)
        return replace(world, health=dict(monitor.statuses))

    def _notify_listeners(self) -> None:
        """Publish the result. What fails (for example because of a full disk) is published after the next cycle."""
        for show in self._dependencies.listeners:
            try:
                show(self._dependencies.cycles.latest)
            except Exception as error:
                log.exception("the cycle could not be published")
                self._dependencies.journal.record_problem(wording.problems.cycle_not_published(error))

    def _record_recovery(self) -> None:
        if self._failed:
            self._failed = False
            self._dependencies.journal.record(EventKind.CYCLE_RECOVERED, wording.events.CYCLES_RECOVERED)

    def _next_cycle_at(self, plan: Plan) -> datetime:
        """The end of the interval, the first time that the plan waits for, or the next end of a label deploy, which is
        exact to the second."""
        now = self._clock()
        waits = [action.until for action in plan.actions if isinstance(action, Wait) and action.until is not None]
        ends = environment_views.deploy_ends(self._dependencies.cycles.latest.views, now)
        return min([(self._refreshed_at or now) + self._interval, *(max(until, now) for until in waits), *ends])
