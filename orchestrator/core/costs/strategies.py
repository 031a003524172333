"""The six ways to pay less, before and after: what a month of one environment costs without and with each (C1).

Expiry, sleep and office hours depend on time, which isn't known in advance, so the comparison states what it assumes.
The others depend on how the target builds the environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from orchestrator.core import wording
from programs.costs import HOURS_PER_DAY, HOURS_PER_MONTH, CostEstimate, CostStrategy, HourlyRate

USED_HOURS_PER_WEEK = Decimal(20)
"""The assumption: how long visitors keep an environment awake that sleeps when it is idle."""
HOURS_PER_WEEK = 7 * HOURS_PER_DAY


@dataclass(frozen=True, slots=True)
class TimeRules:
    """``ttl_hours`` None: it never expires. ``schedule_share``: of a week; None: no schedule."""

    ttl_hours: Decimal | None = None
    sleeps_when_idle: bool = False
    schedule_share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """Costs per month, without and with one strategy, everything else unchanged."""

    strategy: CostStrategy
    before: Decimal
    after: Decimal
    used: bool
    note: str


def compare(estimate: CostEstimate, rules: TimeRules) -> tuple[StrategyRow, ...]:
    return (*_over_time(estimate.rate, rules), *_as_built(estimate))


def _over_time(rate: HourlyRate, rules: TimeRules) -> Iterator[StrategyRow]:
    month, notes = rate.awake * HOURS_PER_MONTH, wording.costs
    ttl = min(rules.ttl_hours, HOURS_PER_MONTH) if rules.ttl_hours is not None else HOURS_PER_MONTH
    yield StrategyRow(
        CostStrategy.EXPIRY, month, rate.awake * ttl, rules.ttl_hours is not None, notes.assumed_expiry(rules.ttl_hours)
    )
    used = USED_HOURS_PER_WEEK / HOURS_PER_WEEK
    yield StrategyRow(
        CostStrategy.SLEEP,
        month,
        _part_time(rate, used),
        rules.sleeps_when_idle,
        notes.assumed_use(USED_HOURS_PER_WEEK),
    )
    open_share = rules.schedule_share if rules.schedule_share is not None else Decimal(55) / HOURS_PER_WEEK
    yield StrategyRow(
        CostStrategy.SCHEDULE,
        month,
        _part_time(rate, open_share),
        rules.schedule_share is not None,
        notes.assumed_schedule(open_share * HOURS_PER_WEEK),
    )


def _part_time(rate: HourlyRate, share: Decimal) -> Decimal:
    """A month in which it is awake for that share of the time."""
    return (rate.awake * share + rate.asleep * (1 - share)) * HOURS_PER_MONTH


def _as_built(estimate: CostEstimate) -> Iterator[StrategyRow]:
    for strategy in (CostStrategy.SIZE, CostStrategy.SHARING, CostStrategy.SPOT):
        found = estimate.strategies.get(strategy)
        if found is not None:
            before, after = (rate.awake * HOURS_PER_MONTH for rate in (found.before, found.after))
            yield StrategyRow(strategy, before, after, found.used, wording.costs.STRATEGIES[strategy])
