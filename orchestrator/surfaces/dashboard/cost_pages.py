"""The dashboard's page of costs: totals, groups, budgets, and a chart of the last days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from orchestrator.core.costs.cost_reports import CostGrouping, DailyCost
from orchestrator.core.wording.costs import STRATEGY_NAMES
from orchestrator.service.port import TemporarilyUnavailable
from orchestrator.surfaces.dashboard.pages import DashboardPages

REFRESH_SECONDS = 30
CHART_HEIGHT = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart: ``spent`` below, ``saved`` on top, in pixels."""

    day: date
    spent: Decimal
    saved: Decimal
    spent_height: int
    saved_height: int


def bars(days: Iterable[DailyCost]) -> list[Bar]:
    days = list(days)
    most = max((day.spent + day.saved for day in days), default=Decimal(0))

    def height(amount: Decimal) -> int:
        return round(amount / most * CHART_HEIGHT) if most else 0

    return [Bar(day.day, day.spent, day.saved, height(day.spent), height(day.saved)) for day in days]


def add_routes(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.get("/costs")
    async def costs(request: Request) -> Response:
        if not await pages.may_read(request):
            return pages.sign_in(request, to=request.url.path)
        chosen = request.query_params.get("by", "")
        grouping = next((each for each in CostGrouping if each == chosen), CostGrouping.REPOSITORY)
        try:
            report = await pages.service(request).costs(grouping)
        except TemporarilyUnavailable as error:
            return pages.html("costs.html", request, 503, report=None, problem=str(error))
        return pages.html(
            "costs.html",
            request,
            refresh=REFRESH_SECONDS,
            report=report,
            problem="",
            grouping=grouping,
            groupings=list(CostGrouping),
            bars=bars(report.days),
            height=CHART_HEIGHT,
            strategies=STRATEGY_NAMES,
        )
