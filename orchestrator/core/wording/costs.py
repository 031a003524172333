"""What environments cost, and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from orchestrator.core.costs.budgets import BudgetLevel, BudgetState
from programs.costs import CostStrategy, format_money

STRATEGY_NAMES: Mapping[CostStrategy, str] = {
    CostStrategy.EXPIRY: "Expiry",
    CostStrategy.SLEEP: "Idle sleep",
    CostStrategy.SCHEDULE: "Office hours",
    CostStrategy.SIZE: "Small size",
    CostStrategy.SHARING: "Sharing",
    CostStrategy.SPOT: "Spot",
}
STRATEGIES: Mapping[CostStrategy, str] = {
    CostStrategy.EXPIRY: "destroyed after its TTL, instead of kept for a month",
    CostStrategy.SLEEP: "asleep while no one uses it",
    CostStrategy.SCHEDULE: "asleep outside of office hours",
    CostStrategy.SIZE: "the smallest size, instead of production's",
    CostStrategy.SHARING: "what environments can share is shared",
    CostStrategy.SPOT: "on spare capacity, which can be interrupted",
}


def assumed_expiry(ttl_hours: Decimal | None) -> str:
    if ttl_hours is None:
        return "it never expires"
    return f"destroyed after {_hours(ttl_hours)}, instead of kept for a month"


def assumed_use(hours: Decimal) -> str:
    return f"asleep while no one uses it, if people use it {_hours(hours)} a week"


def assumed_schedule(hours: Decimal) -> str:
    return f"asleep outside of office hours, {_hours(hours)} a week"


def _hours(hours: Decimal) -> str:
    return f"{hours.quantize(Decimal(1))} hours"


def estimate(awake: Decimal, daily: Decimal, asleep: Decimal) -> str:
    asleep_part = f", {format_money(asleep)} an hour asleep" if asleep != awake else ""
    return f"costs about {format_money(awake)} an hour ({format_money(daily)} a day){asleep_part}"


def cost_so_far(spent: Decimal) -> str:
    return f"cost about {format_money(spent)} in total"


def budget(state: BudgetState) -> str:
    """Without the amount that is spent, which changes all the time."""
    whose = state.repository or "all repositories"
    what = f"this month's budget of {whose} ({format_money(state.amount)})"
    if state.level is BudgetLevel.USED_UP:
        return f"{what} is used up; new environments wait until {state.renews:%Y-%m-%d}"
    return f"{what} is nearly used up"
