"""Budgets per month: they warn, then queue new environments. They never destroy or stop anything (P10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from orchestrator.core.costs.spending import Spending, month_start, next_month
from orchestrator.core.util import globs
from programs.costs import ZERO


class BudgetLevel(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """The share that warns is spent."""
    USED_UP = "used-up"
    """New environments wait."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Amounts per month. ``total`` is for everything; ``by_repository`` maps patterns such as ``acme/*`` to the budget
    of each repository that matches; the first match counts. ``warn_at``: the share from which people are warned."""

    total: Decimal | None = None
    by_repository: Mapping[str, Decimal] = field(default_factory=dict)
    warn_at: Decimal = Decimal("0.8")

    def of_repository(self, full_name: str) -> Decimal | None:
        """Git hosts ignore case in the names of repositories."""
        name = full_name.lower()
        return next(
            (amount for pattern, amount in self.by_repository.items() if globs.matches(pattern.lower(), name)), None
        )


@dataclass(frozen=True, slots=True)
class BudgetState:
    """``repository`` empty: the budget for everything. ``renews``: the first day of the next month."""

    repository: str
    amount: Decimal
    spent: Decimal
    level: BudgetLevel
    renews: date

    @property
    def share(self) -> Decimal:
        return self.spent / self.amount if self.amount else Decimal(1)


def states(budgets: Budgets, spending: Spending, repositories: Iterable[str], now: datetime) -> tuple[BudgetState, ...]:
    """The budget for everything first, then those of ``repositories`` (by full name) that have one."""
    month = month_start(now)
    current = spending if spending.month == month else Spending(month)
    found = []
    if budgets.total is not None:
        found.append(_state(budgets, "", budgets.total, current.total, month))
    for name in sorted(set(repositories)):
        amount = budgets.of_repository(name)
        if amount is not None:
            found.append(_state(budgets, name, amount, current.by_repository.get(name, ZERO), month))
    return tuple(found)


def worst(found: Iterable[BudgetState], repository: str) -> BudgetState | None:
    """The state that decides for a repository: one that is used up, or else one that warns."""
    concerned = [state for state in found if state.repository in ("", repository) and state.level is not BudgetLevel.OK]
    return max(concerned, key=lambda state: (state.level is BudgetLevel.USED_UP, state.repository != ""), default=None)


def _state(budgets: Budgets, repository: str, amount: Decimal, spent: Decimal, month: date) -> BudgetState:
    if spent >= amount:
        level = BudgetLevel.USED_UP
    else:
        level = BudgetLevel.WARNING if spent >= amount * budgets.warn_at else BudgetLevel.OK
    return BudgetState(repository, amount, spent, level, next_month(month))
