"""How an environment's cost grows: pure. Time counts from when it was last counted, at the rate of its state.

So nothing is lost while ephd is down: the next count covers the whole time. An environment that isn't known yet counts
from its first build.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum

from orchestrator.core.costs.cost_views import CostView
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from programs.costs import ZERO, CostStrategy, HourlyRate

_SECONDS_PER_HOUR = 3600
_PRECISION = Decimal("1e-12")


class CostState(StrEnum):
    AWAKE = "awake"
    ASLEEP = "asleep"
    EXPIRED = "expired"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class CostGrowth:
    """What a period cost, and what it would have cost more without each strategy."""

    day: date
    spent: Decimal
    saved: Mapping[CostStrategy, Decimal] = field(default_factory=dict)


def state_of(view: EnvironmentView) -> CostState:
    if view.cost is None or not view.cost.exists:
        return CostState.EXPIRED if view.phase is Phase.EXPIRED else CostState.ABSENT
    return CostState.ASLEEP if view.cost.asleep_since else CostState.AWAKE


def counted_from(
    view: EnvironmentView, state: CostState, last: tuple[datetime, CostState] | None, now: datetime
) -> datetime:
    """``last``: until when it was counted before, and its state then."""
    until, before = last or (None, CostState.ABSENT)
    if state is CostState.ABSENT:
        return now
    if state is CostState.EXPIRED:
        return until if until is not None and before is not CostState.ABSENT else now
    if until is not None and before in (CostState.AWAKE, CostState.ASLEEP):
        return until
    builds = [build.built_at for build in view.earlier_builds]
    first = min([*builds, view.built_at] if view.built_at else builds, default=now)
    return max(first, until) if until is not None else first


def grow(view: EnvironmentView, state: CostState, start: datetime, now: datetime) -> Iterator[CostGrowth]:
    """Day by day. An environment that is asleep was awake until it fell asleep."""
    cost = view.cost
    if cost is None or start >= now:
        return
    if state is CostState.EXPIRED:
        yield from saved_by_expiry(cost.awake_hourly, start, now)
        return
    slept = min(max(cost.asleep_since or now, start), now)
    yield from (_awake(cost, day, hours) for day, hours in _days(start, slept))
    yield from (_asleep(cost, day, hours) for day, hours in _days(slept, now))


def saved_by_expiry(rate: Decimal, start: datetime, now: datetime) -> Iterator[CostGrowth]:
    """What an environment that expired would have cost. Its pull request is still open."""
    for day, hours in _days(start, now):
        yield CostGrowth(day, ZERO, _positive({CostStrategy.EXPIRY: _amount(rate, hours)}))


def _awake(cost: CostView, day: date, hours: Decimal) -> CostGrowth:
    saved = {
        strategy: _amount(found.before.awake - found.after.awake, hours)
        for strategy, found in cost.estimate.strategies.items()
        if found.used
    }
    return CostGrowth(day, _amount(cost.estimate.rate.awake, hours), _positive(saved))


def _asleep(cost: CostView, day: date, hours: Decimal) -> CostGrowth:
    rate: HourlyRate = cost.estimate.rate
    saved = {
        strategy: _amount(found.before.asleep - found.after.asleep, hours)
        for strategy, found in cost.estimate.strategies.items()
        if found.used
    }
    saved[cost.sleeps_by] = _amount(rate.awake - rate.asleep, hours)
    return CostGrowth(day, _amount(rate.asleep, hours), _positive(saved))


def _amount(rate: Decimal, hours: Decimal) -> Decimal:
    return (rate * hours).quantize(_PRECISION)


def _positive(saved: Mapping[CostStrategy, Decimal]) -> dict[CostStrategy, Decimal]:
    return {strategy: amount for strategy, amount in saved.items() if amount > 0}


def _days(start: datetime, end: datetime) -> Iterator[tuple[date, Decimal]]:
    """Each day (in UTC), and how many hours of it."""
    while start < end:
        day = start.astimezone(UTC).date()
        midnight = datetime.combine(day + timedelta(days=1), time(), UTC)
        until = min(midnight, end)
        yield day, Decimal(str((until - start).total_seconds())) / _SECONDS_PER_HOUR
        start = until
