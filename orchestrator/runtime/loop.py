"""The loop: wake, observe, plan, execute, show. Every 30 seconds, and early when woken. Where several replicas run,
the one that leads carries out and shows; the others look as it does, to be warm when their turn comes (``leading``).

Level-triggered: each cycle compares everything that should exist with everything that does, so a lost, doubled or late
event changes nothing but latency, and a cycle that failed is simply followed by the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from orchestrator.core import plans, views
from orchestrator.core.actions import Wait
from orchestrator.core.moments import lasts
from orchestrator.core.plans import Plan
from orchestrator.core.policy import Policy
from orchestrator.core.views import EnvironmentView
from orchestrator.ledger import kinds
from orchestrator.runtime import health
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.executor import Executor
from orchestrator.runtime.forge_facts import ForgeFacts
from orchestrator.runtime.health import Monitor
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.leading import Leading
from orchestrator.runtime.observe import Observer
from orchestrator.runtime.wakeups import EVERYTHING, NO_LIMIT, Look, Only, Wakeups

log = logging.getLogger("eph.loop")

SHORTEST = 0.05
"""Seconds between two cycles that the plan itself asks for."""
LOOKS_APART = 0.5
"""Seconds between two readings of the Git host, so that a storm of webhooks is a few cycles and not many. The first
wake after a quiet time is heeded at once."""
AFTER_FAILURE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the last cycle saw and decided; replaced whole, so readers in other threads never see half of it."""

    views: tuple[EnvironmentView, ...] = ()
    plan: Plan | None = None
    forge: ForgeFacts = field(default_factory=ForgeFacts)
    foreign: int = 0
    complete: bool = False
    at: datetime | None = None
    seconds: float = 0.0


Audience = Callable[[Shown], None]


@dataclass(slots=True)
class Parts:
    observer: Observer
    executor: Executor
    monitor: Monitor
    journal: Journal
    wakeups: Wakeups
    leading: Leading | None = None
    """None: one replica alone."""


class Loop:
    """``audience`` is shown every cycle's outcome: reports, the gateway's pages, metrics."""

    def __init__(self, parts: Parts, policy: Policy, clock: Clock, interval: timedelta) -> None:
        self._parts = parts
        self._policy = policy
        self._clock = clock
        self._interval = interval
        self._looked: datetime | None = None
        self._failed = False
        self._leading = parts.leading or Leading.alone(parts.journal, parts.wakeups)
        self.shown = Shown()
        self.audience: Sequence[Audience] = ()

    async def run(self) -> None:
        """Until cancelled."""
        look = EVERYTHING
        while True:
            began = monotonic()
            until = await self.cycle(look.wanted, look.only)
            looked, look = look, await self._sleep(until)
            if looked.wanted and look.wanted:
                await asyncio.sleep(max(0.0, began + LOOKS_APART - monotonic()))

    async def _sleep(self, until: datetime) -> Look:
        return await self._parts.wakeups.wait(max(SHORTEST, (until - self._clock()).total_seconds()))

    async def cycle(self, look: bool, only: Only = NO_LIMIT) -> datetime:
        """One cycle; gives when the next is due. An error is told, and changes nothing but that.

        ``only``: of the Git host just this is asked again, unless the interval is over and it is everything's turn.
        """
        began = self._clock()
        if self._looked is None or not lasts(self._looked, self._interval, began):
            look, only = True, NO_LIMIT
        try:
            plan = await self._cycle(began, Look(look, only))
        except Exception as error:  # the next cycle looks at everything again
            log.exception("the cycle failed")
            self._failed = True
            self._parts.journal.trouble(f"{type(error).__name__}: {error}")
            return began + min(self._interval, AFTER_FAILURE)
        self._recovered()
        if look and not only:
            self._looked = began
        return self._due(plan)

    async def _cycle(self, began: datetime, look: Look) -> Plan:
        parts, leading = self._parts, self._leading
        await leading.ready()
        term = leading.term
        world = await parts.observer.look(self._clock, look, await leading.elsewhere())
        now = self._clock()
        plan = plans.plan(world, self._policy, now)
        if plan.changes and await leading.still(term):
            parts.executor.carry_out(plan, parts.observer.forge.repositories)
        parts.monitor.watch(health.questions(world))
        seen = views.of(world, plan, self._policy, now)
        leads = term != 0 and leading.term == term
        if leads:
            parts.journal.turned(seen)
            parts.journal.read(world.repositories.values(), _held(plan))
        self.shown = Shown(
            views=seen,
            plan=plan,
            forge=parts.observer.forge,
            foreign=world.stacks.foreign,
            complete=world.stacks.complete and all(facts.complete for facts in world.repositories.values()),
            at=now,
            seconds=(self._clock() - began).total_seconds(),
        )
        if leads:
            self._show()
        return plan

    def _show(self) -> None:
        """What cannot be shown just now (a full disk, say) is shown after the next cycle; the cycle itself is over."""
        for show in self.audience:
            try:
                show(self.shown)
            except Exception as error:
                log.exception("the cycle could not be shown")
                self._parts.journal.trouble(f"the cycle could not be shown: {type(error).__name__}: {error}")

    def _recovered(self) -> None:
        if self._failed:
            self._failed = False
            self._parts.journal.tell(kinds.CYCLE_RECOVERED, "cycles succeed again")

    def _due(self, plan: Plan) -> datetime:
        """The interval, or the first moment that the plan itself waits for."""
        now = self._clock()
        waits = [action.until for action in plan.actions if isinstance(action, Wait) and action.until is not None]
        return min([(self._looked or now) + self._interval, *(max(until, now) for until in waits)])


def _held(plan: Plan) -> str:
    """The guard's own note, when it holds."""
    command = f"eph approve {plan.digest}"
    return next((note for note in plan.notes if plan.digest and note.endswith(command)), "")
