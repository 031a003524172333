"""What environments have cost so far, as a fact for plans and views. The ledger keeps it (``accounts``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from programs.costs import ZERO, CostStrategy
from stacks.model import StackRef


@dataclass(frozen=True, slots=True)
class CostSoFar:
    """``saved``: how much more it would have cost without each strategy."""

    spent: Decimal = ZERO
    saved: Mapping[CostStrategy, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spending:
    """``total`` and ``by_repository`` (by full name) are of the calendar month (in UTC) that starts at ``month``;
    ``by_stack`` is everything that a pull request's environments have cost."""

    month: date | None = None
    total: Decimal = ZERO
    by_repository: Mapping[str, Decimal] = field(default_factory=dict)
    by_stack: Mapping[StackRef, CostSoFar] = field(default_factory=dict)


NO_SPENDING = Spending()
NO_COST = CostSoFar()


def month_start(at: datetime) -> date:
    return at.date().replace(day=1)


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
