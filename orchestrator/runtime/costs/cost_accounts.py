"""Keeps what environments have cost so far: counted in memory after each cycle of a leader, saved every few minutes.

A crash loses nothing, because the next count starts where the saved one ended. Without the database, counting starts
again with the first build of each environment that still exists; the costs of removed ones are lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from orchestrator.core.costs import accounts
from orchestrator.core.costs.accounts import CostGrowth, CostState
from orchestrator.core.costs.cost_reports import CostRow, add_amounts
from orchestrator.core.costs.spending import CostSoFar, Spending, month_start
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.ledger.cost_store import CostStore, CostStoreUnavailable
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import CycleResult
from programs.costs import ZERO, CostStrategy
from stacks import names
from stacks.model import StackRef

log = logging.getLogger("eph.costs")

FORGET_ABSENT = timedelta(days=7)
"""An environment that returns later starts at zero."""
COUNT_EVERY = timedelta(minutes=1)
SAVE_SECONDS = 600.0
RETRY_SECONDS = 5.0


OnGrowth = Callable[[CostRow, CostGrowth], None]


def to_ref(stack: str) -> StackRef:
    return StackRef(*stack.split("/", 1))


class CostAccounts:
    """``on_cycle`` and ``start_term`` are called by the loop; ``run`` loads and saves."""

    def __init__(self, store: CostStore, clock: Clock, on_growth: OnGrowth) -> None:
        self._store, self._clock, self._on_growth = store, clock, on_growth
        self._latest: dict[str, CostRow] = {}
        self._unsaved: dict[tuple[date, str], CostRow] = {}
        self._month: date | None = None
        self._month_by_repository: dict[str, Decimal] = {}
        self._loaded = False
        self._warned = False
        self._load_due = asyncio.Event()

    # --- the loop

    def start_term(self) -> None:
        """Another replica may have counted since."""
        self._loaded = False
        self._load_due.set()

    def on_cycle(self, result: CycleResult) -> None:
        if result.at is None or not self._loaded:
            return
        self._start_month(result.at)
        for view in result.views:
            self._count(view, result.at)
        if result.complete:
            self._count_hidden(result, result.at)

    def _start_month(self, now: datetime) -> None:
        month = month_start(now)
        if month != self._month:
            self._month, self._month_by_repository = month, {}

    def _count(self, view: EnvironmentView, now: datetime) -> None:
        if view.cost is None:  # unknown at the moment: it is counted later
            return
        stack, state = str(view.ref), accounts.state_of(view)
        last = self._latest.get(stack)
        if state is CostState.ABSENT and (last is None or last.state == CostState.ABSENT):
            return
        if last is not None and last.state == state and last.until <= now < last.until + COUNT_EVERY:
            return
        known = (last.until, CostState(last.state)) if last else None
        start = accounts.counted_from(view, state, known, now)
        growth = list(accounts.grow(view, state, start, now)) or [CostGrowth(now.date(), ZERO)]
        row = last or CostRow(now.date(), stack, now, state)
        row = replace(row, state=state, until=now, name=view.name, repository=view.repository, target=view.target)
        row = replace(row, owner=view.author, rate=view.cost.awake_hourly)
        for each in growth:
            row = self._add(row, each)

    def _add(self, row: CostRow, growth: CostGrowth) -> CostRow:
        """``row``: the stack's last one. Returns the one of the growth's day."""
        saved = {str(name): amount for name, amount in growth.saved.items()}
        if row.day != growth.day:
            row = replace(row, day=growth.day, spent=ZERO, saved={})
        row = replace(
            row,
            spent=row.spent + growth.spent,
            saved=add_amounts(row.saved, saved),
            total=row.total + growth.spent,
            total_saved=add_amounts(row.total_saved, saved),
        )
        self._keep(row)
        if self._month is not None and growth.day >= self._month:
            spent = self._month_by_repository.get(row.repository, ZERO)
            self._month_by_repository[row.repository] = spent + growth.spent
        self._on_growth(row, growth)
        return row

    def _count_hidden(self, result: CycleResult, now: datetime) -> None:
        """Environments without a view are gone. One that expired saves something while its pull request is open."""
        present = {str(view.ref) for view in result.views}
        open_keys = {key for facts in result.forge.facts.values() for key in facts.open}
        for stack, row in list(self._latest.items()):
            if stack in present:
                continue
            if row.state == CostState.EXPIRED and names.parse(to_ref(stack)) in open_keys:
                if row.until + COUNT_EVERY <= now:
                    for growth in accounts.saved_by_expiry(row.rate, row.until, now):
                        row = self._add(replace(row, until=now), growth)
            elif row.state != CostState.ABSENT:
                self._keep(replace(row, state=CostState.ABSENT))
            elif row.until + FORGET_ABSENT < now:
                del self._latest[stack]

    def _keep(self, row: CostRow) -> None:
        self._latest[row.stack] = row
        self._unsaved[(row.day, row.stack)] = row

    # --- reading

    def spending(self) -> Spending:
        by_stack = {
            to_ref(stack): CostSoFar(
                row.total, {CostStrategy(name): amount for name, amount in row.total_saved.items()}
            )
            for stack, row in self._latest.items()
            if row.state != CostState.ABSENT
        }
        total = sum(self._month_by_repository.values(), ZERO)
        return Spending(self._month, total, dict(self._month_by_repository), by_stack)

    async def rows(self, since: date) -> list[CostRow]:
        """From that day on, by day and stack. Raises CostStoreUnavailable."""
        saved = await asyncio.to_thread(self._store.load, since)
        rows = {(row.day, row.stack): row for row in saved} | {
            key: row for key, row in self._unsaved.items() if key[0] >= since
        }
        return list(rows.values())

    # --- the store

    async def run(self) -> None:
        """Load, then save now and then. Runs until cancelled."""
        while True:
            self._load_due.clear()
            await self.sync()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._load_due.wait(), SAVE_SECONDS if self._loaded else RETRY_SECONDS)

    async def sync(self) -> None:
        """Load if that is due, and save what changed. If the database is down, everything waits in memory."""
        try:
            if not self._loaded:
                await self._load()
            await self._save()
        except CostStoreUnavailable as error:
            if not self._warned:
                log.warning("%s", error)
            self._warned = True
        else:
            self._warned = False

    async def _save(self) -> None:
        rows = dict(self._unsaved)
        await asyncio.to_thread(self._store.save, rows.values())
        self._unsaved = {key: row for key, row in self._unsaved.items() if rows.get(key) is not row}

    async def _load(self) -> None:
        now = self._clock()
        month = month_start(now)
        found = await asyncio.to_thread(self._store.load, min(month, (now - FORGET_ABSENT).date()))
        self._latest, self._unsaved, self._month, self._month_by_repository = {}, {}, month, {}
        for row in sorted(found, key=lambda row: row.day):
            self._latest[row.stack] = row
            if row.day >= month:
                spent = self._month_by_repository.get(row.repository, ZERO)
                self._month_by_repository[row.repository] = spent + row.spent
        self._loaded = True
