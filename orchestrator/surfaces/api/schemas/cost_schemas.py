"""Costs and prices in the API. Amounts are in US dollars: decimal numbers as text, because JSON's are binary."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

DIGITS = Decimal("0.000001")


def _amount(value: Any) -> Any:
    return f"{value.quantize(DIGITS):f}" if isinstance(value, Decimal) else value


def _amounts(value: Any) -> Any:
    return {str(name): _amount(amount) for name, amount in value.items()} if isinstance(value, dict) else value


Amount = Annotated[str, BeforeValidator(_amount)]
Amounts = Annotated[dict[str, str], BeforeValidator(_amounts)]


class CostModel(BaseModel):
    """Read by ``model_validate`` from a value whose attributes have the same names."""

    model_config = ConfigDict(from_attributes=True)


class CostItem(CostModel):
    """What an environment costs, as an estimate from list prices."""

    hourly: Amount = Field(description="What it costs per hour now; 0 until it exists.")
    awake_hourly: Amount
    asleep_hourly: Amount
    awake_daily: Amount
    spent: Amount = Field(description="What all environments of this pull request, branch or deploy have cost so far.")
    saved: Amounts = Field(description="What they would have cost more, by strategy, such as sleep or spot.")
    total_saved: Amount
    unpriced: list[str] = Field(description="Price items that aren't known, so they aren't included.")


class CostLineItem(CostModel):
    """One part of an environment."""

    what: str
    quantity: Amount
    unit: str
    awake_hourly: Amount
    asleep_hourly: Amount


class StrategyItem(CostModel):
    """What a month costs without and with one strategy, everything else unchanged."""

    strategy: str
    name: str
    before: Amount
    after: Amount
    used: bool = Field(description="Whether the environment uses it.")
    note: str = Field(description="What it does, and what the comparison assumes.")


class CostDetails(BaseModel):
    """An environment's estimate in detail."""

    name: str
    cost: CostItem | None = Field(description="null: no price is known.")
    lines: list[CostLineItem]
    excluded: list[str] = Field(description="What costs extra, depending on use.")
    strategies: list[StrategyItem]


class CostGroupItem(CostModel):
    """The environments of one owner, repository or target, or one environment."""

    name: str
    environments: int = Field(description="How many exist now.")
    hourly: Amount = Field(description="What they cost per hour now.")
    spent: Amount = Field(description="This month, removed environments included.")
    saved: Amounts = Field(description="This month, by strategy.")
    total_saved: Amount


class DailyCostItem(CostModel):
    day: date
    spent: Amount
    saved: Amount


class BudgetItem(CostModel):
    """A budget for a month."""

    repository: str = Field(description="Empty: of all repositories together.")
    amount: Amount
    spent: Amount
    level: str = Field(description="ok, warning, or used-up: new environments wait.")
    renews: date = Field(description="The first day of the next month.")


class CostReportResponse(CostModel):
    """What everything costs."""

    month: date = Field(description="The first day of this month, in UTC.")
    total: CostGroupItem
    groups: list[CostGroupItem]
    days: list[DailyCostItem] = Field(description="The last 30 days, the newest last.")
    budgets: list[BudgetItem]
    forecast: Amount = Field(description="What this month will have cost if nothing changes.")
    unpriced: int = Field(description="Environments of which no price is known.")


class PriceItemResponse(CostModel):
    name: str = Field(description="The name under [prices.TARGET] in eph.toml.")
    unit: str = Field(description="What the amount is for, such as GB-month.")
    amount: str | None = Field(description="null: not known.")
    source: str = Field(description="A page, or eph.toml.")
    dated: str = Field(description="The day on which the price was valid.")


class TargetPricesItem(BaseModel):
    target: str
    place: str = Field(description="The region that the prices apply to; may be empty.")
    items: list[PriceItemResponse]


class PriceLists(BaseModel):
    targets: list[TargetPricesItem]


class PriceRefresh(BaseModel):
    refreshed: list[str] = Field(description="The targets whose prices were downloaded.")
