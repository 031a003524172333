"""What everything costs: by owner, repository, environment or target; day by day; and the budgets. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial

from orchestrator.core.costs.budgets import BudgetState
from orchestrator.core.costs.spending import month_start, next_month
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from programs.costs import ZERO

SHOWN_DAYS = 30


class CostGrouping(StrEnum):
    REPOSITORY = "repository"
    OWNER = "owner"
    ENVIRONMENT = "environment"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one stack cost on one day (in UTC). ``until``: up to when it has been counted. ``state``: awake, asleep,
    expired or absent, at that time. ``saved``: by strategy. ``total``: what it cost until then since it was first
    counted; ``total_saved`` likewise. ``rate``: per hour while awake."""

    day: date
    stack: str
    until: datetime
    state: str
    name: str = ""
    repository: str = ""
    target: str = ""
    owner: str = ""
    spent: Decimal = ZERO
    saved: Mapping[str, Decimal] = field(default_factory=dict)
    total: Decimal = ZERO
    total_saved: Mapping[str, Decimal] = field(default_factory=dict)
    rate: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class CostGroup:
    """``environments`` that exist now, and their rate; ``spent`` and ``saved`` this month, by removed ones, too."""

    name: str
    environments: int = 0
    hourly: Decimal = ZERO
    spent: Decimal = ZERO
    saved: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def total_saved(self) -> Decimal:
        return sum(self.saved.values(), ZERO)


@dataclass(frozen=True, slots=True)
class DailyCost:
    day: date
    spent: Decimal = ZERO
    saved: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class CostReport:
    """``total`` sums up ``groups``. ``forecast``: what this month will have cost if the rate stays as it is.
    ``unpriced``: environments of which no price is known."""

    month: date
    total: CostGroup
    groups: tuple[CostGroup, ...] = ()
    days: tuple[DailyCost, ...] = ()
    budgets: tuple[BudgetState, ...] = ()
    forecast: Decimal = ZERO
    unpriced: int = 0


def build(
    views: Iterable[EnvironmentView],
    rows: Iterable[CostRow],
    budgets: Iterable[BudgetState],
    grouping: CostGrouping,
    now: datetime,
) -> CostReport:
    views, rows, month = list(views), list(rows), month_start(now)
    groups: dict[str, CostGroup] = {}

    def add(name: str, change: Callable[[CostGroup], CostGroup]) -> None:
        groups[name] = change(groups.get(name, CostGroup(name)))

    titles = {str(view.ref): display_name(view) for view in views}
    for view in views:
        if view.cost is not None and view.cost.exists:
            add(_view_group(view, grouping), partial(_with_environment, hourly=view.cost.hourly))
    for row in rows:
        if row.day >= month:
            name = titles.get(row.stack, row.name or row.stack) if grouping is CostGrouping.ENVIRONMENT else ""
            add(name or _row_group(row, grouping), partial(_with_row, row=row))
    total = _total(groups.values())
    left = Decimal(str((_month_end(month, now) - now).total_seconds())) / 3600
    return CostReport(
        month=month,
        total=total,
        groups=tuple(sorted(groups.values(), key=lambda group: (-group.spent, -group.hourly, group.name))),
        days=_days(rows, now.date()),
        budgets=tuple(budgets),
        forecast=total.spent + total.hourly * left,
        unpriced=sum(view.cost is None and bool(view.commit) for view in views),
    )


def first_day(now: datetime) -> date:
    """Of the rows that a report needs."""
    return min(month_start(now), now.date() - timedelta(days=SHOWN_DAYS - 1))


def _view_group(view: EnvironmentView, grouping: CostGrouping) -> str:
    match grouping:
        case CostGrouping.REPOSITORY:
            return view.repository
        case CostGrouping.OWNER:
            return view.author
        case CostGrouping.ENVIRONMENT:
            return display_name(view)
        case CostGrouping.TARGET:
            return view.target


def _row_group(row: CostRow, grouping: CostGrouping) -> str:
    match grouping:
        case CostGrouping.REPOSITORY:
            return row.repository
        case CostGrouping.OWNER:
            return row.owner
        case CostGrouping.ENVIRONMENT:
            return row.name
        case CostGrouping.TARGET:
            return row.target


def _with_environment(group: CostGroup, hourly: Decimal) -> CostGroup:
    return replace(group, environments=group.environments + 1, hourly=group.hourly + hourly)


def _with_row(group: CostGroup, row: CostRow) -> CostGroup:
    return replace(group, spent=group.spent + row.spent, saved=add_amounts(group.saved, row.saved))


def _total(groups: Iterable[CostGroup]) -> CostGroup:
    total = CostGroup("")
    for group in groups:
        total = CostGroup(
            "",
            total.environments + group.environments,
            total.hourly + group.hourly,
            total.spent + group.spent,
            add_amounts(total.saved, group.saved),
        )
    return total


def _days(rows: Iterable[CostRow], today: date) -> tuple[DailyCost, ...]:
    """The last days, the newest last; those without costs too."""
    found = {day: DailyCost(day) for day in (today - timedelta(days=ago) for ago in range(SHOWN_DAYS - 1, -1, -1))}
    for row in rows:
        if row.day in found:
            old = found[row.day]
            found[row.day] = DailyCost(row.day, old.spent + row.spent, old.saved + sum(row.saved.values(), ZERO))
    return tuple(found.values())


def _month_end(month: date, now: datetime) -> datetime:
    end = next_month(month)
    return now.replace(year=end.year, month=end.month, day=1, hour=0, minute=0, second=0, microsecond=0)


def add_amounts(first: Mapping[str, Decimal], second: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: first.get(name, ZERO) + second.get(name, ZERO) for name in {**first, **second}}
