"""Counting costs over crashes, takeovers and months: O2, P10."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from orchestrator.core.costs.accounts import CostGrowth
from orchestrator.core.costs.cost_reports import CostRow
from orchestrator.core.costs.cost_views import CostView
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.ledger.fake import MemoryCosts
from orchestrator.runtime.costs.cost_accounts import CostAccounts
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service.fake import sample
from programs.costs import CostEstimate, CostLine, HourlyRate

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ESTIMATE = CostEstimate((CostLine("all", Decimal(1), "x", HourlyRate(Decimal(1), Decimal("0.1"))),))
VIEW = replace(sample(42), cost=CostView(ESTIMATE, exists=True), built_at=NOON)


class Replica:
    """The accounts of one ephd, with its own clock."""

    def __init__(self, store: MemoryCosts) -> None:
        self.now = NOON
        self.growth: list[CostGrowth] = []
        self.accounts = CostAccounts(store, lambda: self.now, self._grown)

    def _grown(self, _: CostRow, growth: CostGrowth) -> None:
        self.growth.append(growth)

    def cycle(self, hours: float, *views: EnvironmentView, complete: bool = True) -> None:
        self.now = NOON + hours * HOUR
        self.accounts.on_cycle(CycleResult(views=views, at=self.now, complete=complete))

    @property
    def spent(self) -> Decimal:
        return self.accounts.spending().by_stack[VIEW.ref].spent


async def test_takeover_counts_no_time_twice_and_none_is_lost() -> None:
    store = MemoryCosts()
    first, second = Replica(store), Replica(store)
    await first.accounts.sync()
    await second.accounts.sync()
    first.cycle(1, VIEW)
    await first.accounts.sync()
    first.cycle(2, VIEW)  # never saved
    second.accounts.start_term()
    second.now = NOON + 3 * HOUR
    await second.accounts.sync()
    second.cycle(3, VIEW)
    assert second.spent == 3
    await first.accounts.sync()  # late, with what it counted
    second.cycle(4, VIEW)
    await second.accounts.sync()
    assert [row.spent for row in store.rows.values()] == [Decimal(4)]


async def test_nothing_is_counted_before_the_past_is_known() -> None:
    store = MemoryCosts()
    store.available = False
    replica = Replica(store)
    await replica.accounts.sync()
    replica.cycle(1, VIEW)
    assert replica.growth == []
    store.available = True
    await replica.accounts.sync()
    replica.cycle(2, VIEW)
    assert replica.spent == 2


async def test_environment_missing_from_an_incomplete_cycle_is_still_counted() -> None:
    replica = Replica(MemoryCosts())
    await replica.accounts.sync()
    replica.cycle(1, VIEW)
    replica.cycle(2, complete=False)
    replica.cycle(3, VIEW)
    assert replica.spent == 3


async def test_time_between_two_lives_is_free() -> None:
    replica = Replica(MemoryCosts())
    await replica.accounts.sync()
    replica.cycle(1, VIEW)
    replica.cycle(2)
    again = replace(VIEW, built_at=NOON + 9 * HOUR)
    replica.cycle(10, again)
    assert replica.spent == 2


async def test_month_starts_at_zero_and_the_environments_total_goes_on() -> None:
    replica = Replica(MemoryCosts())
    await replica.accounts.sync()
    replica.cycle(1, VIEW)
    until_april = (datetime(2026, 4, 1, 2, tzinfo=UTC) - NOON) / HOUR
    replica.cycle(until_april, VIEW)
    spending = replica.accounts.spending()
    assert (spending.month, spending.total) == (datetime(2026, 4, 1, tzinfo=UTC).date(), Decimal(2))
    assert spending.by_repository == {"demo/shop": Decimal(2)}
    assert replica.spent == Decimal(until_april).quantize(Decimal(1))


async def test_unknown_cost_is_counted_once_it_is_known() -> None:
    replica = Replica(MemoryCosts())
    await replica.accounts.sync()
    replica.cycle(1, VIEW)
    replica.cycle(2, replace(VIEW, cost=None))
    replica.cycle(3, VIEW)
    assert replica.spent == 3


async def test_rates_hold_for_a_minute() -> None:
    """Cycles can follow each other within milliseconds."""
    replica = Replica(MemoryCosts())
    await replica.accounts.sync()
    for seconds in (3600, 3601, 3602):
        replica.cycle(seconds / 3600, VIEW)
    assert len(replica.growth) == 1
