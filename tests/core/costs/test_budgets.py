"""Budgets per month: P10."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from orchestrator.core.costs import budgets
from orchestrator.core.costs.budgets import BudgetLevel, Budgets
from orchestrator.core.costs.spending import Spending, next_month

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MARCH = date(2026, 3, 1)


def spending(total: str, **by_repository: str) -> Spending:
    return Spending(MARCH, Decimal(total), {f"acme/{name}": Decimal(amount) for name, amount in by_repository.items()})


@pytest.mark.parametrize(
    ("spent", "level"),
    [
        ("0", BudgetLevel.OK),
        ("79.99", BudgetLevel.OK),
        ("80", BudgetLevel.WARNING),
        ("99.99", BudgetLevel.WARNING),
        ("100", BudgetLevel.USED_UP),
        ("250", BudgetLevel.USED_UP),
    ],
)
def test_levels(spent: str, level: BudgetLevel) -> None:
    (state,) = budgets.states(Budgets(total=Decimal(100)), spending(spent), (), NOW)
    assert state.level is level
    assert state.renews == date(2026, 4, 1)


def test_first_matching_pattern_counts_for_each_repository_apart() -> None:
    rules = Budgets(by_repository={"acme/shop": Decimal(10), "Acme/*": Decimal(5)})
    found = budgets.states(rules, spending("0", shop="9", api="5"), ("acme/shop", "acme/api", "other/app"), NOW)
    assert [(state.repository, state.amount, state.level) for state in found] == [
        ("acme/api", Decimal(5), BudgetLevel.USED_UP),
        ("acme/shop", Decimal(10), BudgetLevel.WARNING),
    ]


def test_what_was_spent_last_month_does_not_count() -> None:
    old = Spending(date(2026, 2, 1), Decimal(500), {"acme/shop": Decimal(500)})
    (state,) = budgets.states(Budgets(total=Decimal(100)), old, (), NOW)
    assert (state.spent, state.level) == (Decimal(0), BudgetLevel.OK)


def test_the_worst_budget_decides_for_a_repository() -> None:
    rules = Budgets(Decimal(100), {"acme/shop": Decimal(10)})
    found = budgets.states(rules, spending("85", shop="10"), ("acme/shop", "acme/api"), NOW)
    worst = budgets.worst(found, "acme/shop")
    assert worst is not None
    assert (worst.repository, worst.level) == ("acme/shop", BudgetLevel.USED_UP)
    other = budgets.worst(found, "acme/api")
    assert other is not None
    assert (other.repository, other.level) == ("", BudgetLevel.WARNING)
    assert budgets.worst((), "acme/shop") is None


def test_a_budget_of_nothing_is_used_up() -> None:
    (state,) = budgets.states(Budgets(total=Decimal(0)), Spending(), (), NOW)
    assert (state.level, state.share) == (BudgetLevel.USED_UP, Decimal(1))


def test_months_follow_each_other() -> None:
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert next_month(date(2026, 1, 1)) == date(2026, 2, 1)
