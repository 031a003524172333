"""Costs and prices as the API's responses; pure."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.costs.cost_views import CostView
from orchestrator.core.wording.costs import STRATEGY_NAMES
from orchestrator.service.port import TargetPrices
from orchestrator.surfaces.api.schemas import cost_schemas
from programs.costs import CostLine, PriceItem


def details(name: str, cost: CostView | None) -> cost_schemas.CostDetails:
    if cost is None:
        return cost_schemas.CostDetails(name=name, cost=None, lines=[], excluded=[], strategies=[])
    return cost_schemas.CostDetails(
        name=name,
        cost=cost_schemas.CostItem.model_validate(cost),
        lines=[_line(line) for line in cost.estimate.lines],
        excluded=list(cost.estimate.excluded),
        strategies=[
            cost_schemas.StrategyItem(
                strategy=row.strategy,
                name=STRATEGY_NAMES[row.strategy],
                before=row.before,
                after=row.after,
                used=row.used,
                note=row.note,
            )
            for row in cost.strategies
        ],
    )


def _line(line: CostLine) -> cost_schemas.CostLineItem:
    return cost_schemas.CostLineItem.model_validate(
        {
            "what": line.what,
            "quantity": line.quantity,
            "unit": line.unit,
            "awake_hourly": line.rate.awake,
            "asleep_hourly": line.rate.asleep,
        }
    )


def price_lists(found: Iterable[TargetPrices]) -> cost_schemas.PriceLists:
    return cost_schemas.PriceLists(
        targets=[
            cost_schemas.TargetPricesItem(
                target=each.target, place=each.prices.place, items=[_price(item) for item in each.prices.items]
            )
            for each in found
        ]
    )


def _price(item: PriceItem) -> cost_schemas.PriceItemResponse:
    amount = None if item.amount is None else f"{item.amount:f}"
    return cost_schemas.PriceItemResponse(
        name=item.name, unit=item.unit, amount=amount, source=item.source, dated=item.dated
    )
