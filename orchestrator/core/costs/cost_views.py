"""What one environment costs, as people see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from orchestrator.core.costs import budgets
from orchestrator.core.costs.budgets import BudgetState
from orchestrator.core.costs.strategies import StrategyRow, TimeRules, compare
from orchestrator.core.desired import expiry
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.sleep import schedules, sleep_rules
from programs.costs import HOURS_PER_DAY, ZERO, CostEstimate, CostStrategy


@dataclass(frozen=True, slots=True)
class CostView:
    """``spent`` and ``saved`` are so far. ``exists``: there are resources, which cost something.

    ``sleeps_by``: what a sleeping environment saves by, its schedule or idle sleep. ``budget``: one that is used up or
    nearly so.
    """

    estimate: CostEstimate
    exists: bool = False
    asleep_since: datetime | None = None
    spent: Decimal = ZERO
    saved: Mapping[CostStrategy, Decimal] = field(default_factory=dict)
    sleeps_by: CostStrategy = CostStrategy.SLEEP
    rules: TimeRules = field(default_factory=TimeRules)
    budget: BudgetState | None = None

    @property
    def hourly(self) -> Decimal:
        """What it costs now: nothing before it exists."""
        if not self.exists:
            return ZERO
        return self.estimate.rate.asleep if self.asleep_since else self.estimate.rate.awake

    @property
    def awake_hourly(self) -> Decimal:
        return self.estimate.rate.awake

    @property
    def asleep_hourly(self) -> Decimal:
        return self.estimate.rate.asleep

    @property
    def awake_daily(self) -> Decimal:
        return self.estimate.rate.awake * HOURS_PER_DAY

    @property
    def total_saved(self) -> Decimal:
        return sum(self.saved.values(), ZERO)

    @property
    def unpriced(self) -> tuple[str, ...]:
        return self.estimate.unpriced

    @property
    def strategies(self) -> tuple[StrategyRow, ...]:
        return compare(self.estimate, self.rules)


def build(
    environment: EnvironmentFacts, policy: Policy, now: datetime, states: Iterable[BudgetState]
) -> CostView | None:
    """None: no price is known."""
    estimate = environment.estimate
    if estimate is None or not (estimate.is_priced or environment.cost_so_far.spent):
        return None
    schedule = sleep_rules.schedule_of(environment)
    is_closed = schedule is not None and schedules.current(schedule, now) is None
    return CostView(
        estimate=estimate,
        exists=environment.record is not None,
        asleep_since=environment.tag.asleep if environment.tag else None,
        spent=environment.cost_so_far.spent,
        saved=environment.cost_so_far.saved,
        sleeps_by=CostStrategy.SCHEDULE if is_closed else CostStrategy.SLEEP,
        rules=_time_rules(environment, policy, now),
        budget=budgets.worst(states, environment.repository_name),
    )


def _time_rules(environment: EnvironmentFacts, policy: Policy, now: datetime) -> TimeRules:
    schedule = sleep_rules.schedule_of(environment)
    hours = Decimal(int(expiry.ttl(environment, policy).total_seconds())) / 3600
    return TimeRules(
        ttl_hours=None if expiry.is_kept(environment) else hours,
        sleeps_when_idle=sleep_rules.idle_timeout(environment, policy) is not None,
        schedule_share=schedules.open_share(schedule, now) if schedule else None,
    )
