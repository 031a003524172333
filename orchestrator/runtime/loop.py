"""The loop: wake, observe, plan, execute, show. Every 30 seconds, and early when woken. Where several replicas run,
the one that leads carries out and shows; the others look as it does, to be warm when their turn comes (``leading``).

Level-triggered: each cycle compares everything that should exist with everything that does, so a lost, doubled or late
event changes nothing but latency, and a cycle that failed is simply followed by the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from orchestrator.core.model.policy import Policy
from orchestrator.core.planning import plans
from orchestrator.core.planning.plan_actions import Wait
from orchestrator.core.planning.plans import Plan
from orchestrator.core.util.time_windows import is_within
from orchestrator.core.views import environment_views
from orchestrator.ledger.event_kinds import EventKind
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
"""Seconds between two cycles that the plan itself asks for."""
MIN_REFRESH_INTERVAL = 0.5
"""Seconds between two readings of the Git host, so that a storm of webhooks is a few cycles and not many. The first
wake after a quiet time is heeded at once."""
RETRY_AFTER = timedelta(seconds=5)


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


class Loop:
    def __init__(self, dependencies: LoopDependencies, policy: Policy, clock: Clock, interval: timedelta) -> None:
        self._dependencies = dependencies
        self._policy = policy
        self._clock = clock
        self._interval = interval
        self._refreshed_at: datetime | None = None
        self._failed = False

    async def run(self) -> None:
        """Until cancelled."""
        look = FULL_REFRESH
        while True:
            began = monotonic()
            until = await self.cycle(look.needed, look.scope)
            looked, look = look, await self._wait(until)
            if looked.needed and look.needed:
                await asyncio.sleep(max(0.0, began + MIN_REFRESH_INTERVAL - monotonic()))

    async def _wait(self, until: datetime) -> Refresh:
        return await self._dependencies.wakeups.wait(max(MIN_CYCLE_INTERVAL, (until - self._clock()).total_seconds()))

    async def cycle(self, refresh: bool, scope: RefreshScope = UNLIMITED) -> datetime:
        """One cycle; gives when the next is due. An error is told, and changes nothing but that.

        ``scope``: of the Git host just this is asked again, unless the interval is over and it is everything's turn.
        """
        began = self._clock()
        if self._refreshed_at is None or not is_within(self._refreshed_at, self._interval, began):
            refresh, scope = True, UNLIMITED
        try:
            plan = await self._cycle(began, Refresh(refresh, scope))
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
            parts.journal.record_repositories(world.repositories.values(), _held_note(plan))
        parts.cycles.publish(
            CycleResult(
                views=seen,
                plan=plan,
                forge=parts.observer.forge,
                foreign_stacks=world.stacks.foreign_count,
                complete=world.stacks.complete and all(facts.complete for facts in world.repositories.values()),
                at=now,
                seconds=(self._clock() - began).total_seconds(),
            )
        )
        if leads:
            self._notify_listeners()
        return plan

    def _notify_listeners(self) -> None:
        """What cannot be shown just now (a full disk, say) is shown after the next cycle; the cycle itself is over."""
        for show in self._dependencies.listeners:
            try:
                show(self._dependencies.cycles.latest)
            except Exception as error:
                log.exception("the cycle could not be published")
                self._dependencies.journal.record_problem(
                    f"the cycle could not be published: {type(error).__name__}: {error}"
                )

    def _record_recovery(self) -> None:
        if self._failed:
            self._failed = False
            self._dependencies.journal.record(EventKind.CYCLE_RECOVERED, "cycles succeed again")

    def _next_cycle_at(self, plan: Plan) -> datetime:
        """The interval, or the first moment that the plan itself waits for."""
        now = self._clock()
        waits = [action.until for action in plan.actions if isinstance(action, Wait) and action.until is not None]
        return min([(self._refreshed_at or now) + self._interval, *(max(until, now) for until in waits)])


def _held_note(plan: Plan) -> str:
    """The guard's own note, when it holds."""
    command = f"eph approve {plan.digest}"
    return next((note for note in plan.notes if plan.digest and command in note), "")
