"""The six ways to pay less, before and after: C1, P10."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from orchestrator.core.costs.strategies import TimeRules, compare
from orchestrator.core.sleep import schedules
from programs.costs import CostEstimate, CostLine, CostStrategy, HourlyRate, StrategyComparison

RATE = HourlyRate(Decimal(1), Decimal("0.1"))
BIG = HourlyRate(Decimal(5), Decimal("0.5"))
ESTIMATE = CostEstimate(
    (CostLine("all", Decimal(1), "x", RATE),),
    strategies={
        CostStrategy.SIZE: StrategyComparison(BIG, RATE),
        CostStrategy.SHARING: StrategyComparison(RATE, RATE, used=False),
        CostStrategy.SPOT: StrategyComparison(BIG, RATE),
    },
)


def test_each_of_the_six_has_a_row_with_before_and_after() -> None:
    rows = {row.strategy: row for row in compare(ESTIMATE, TimeRules(Decimal(72), True, Decimal("0.25")))}
    assert set(rows) == set(CostStrategy)
    assert rows[CostStrategy.EXPIRY].before == 730
    assert rows[CostStrategy.EXPIRY].after == 72
    assert rows[CostStrategy.SLEEP].after < rows[CostStrategy.SLEEP].before
    assert rows[CostStrategy.SCHEDULE].after == (Decimal("0.25") + Decimal("0.1") * Decimal("0.75")) * 730
    assert rows[CostStrategy.SIZE].before == 5 * 730
    assert {row.strategy for row in rows.values() if not row.used} == {CostStrategy.SHARING}


def test_what_is_not_used_is_compared_too_and_says_so() -> None:
    rows = {row.strategy: row for row in compare(ESTIMATE, TimeRules())}
    assert not any(rows[name].used for name in (CostStrategy.EXPIRY, CostStrategy.SLEEP, CostStrategy.SCHEDULE))
    assert rows[CostStrategy.EXPIRY].after == rows[CostStrategy.EXPIRY].before
    assert rows[CostStrategy.SCHEDULE].after < rows[CostStrategy.SCHEDULE].before


def test_share_of_a_week_in_which_a_schedule_is_open() -> None:
    hours = schedules.parse("UTC", ("Mon-Fri 08:00-18:00",))
    monday, friday = datetime(2026, 3, 2, 7, tzinfo=UTC), datetime(2026, 3, 6, 12, tzinfo=UTC)
    assert schedules.open_share(hours, monday) == schedules.open_share(hours, friday) == Decimal("0.298")
