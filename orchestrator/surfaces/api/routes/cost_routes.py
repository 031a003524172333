"""Costs and prices over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from orchestrator.core.costs.cost_reports import CostGrouping
from orchestrator.service.port import EnvironmentService
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces.api.rendering import cost_rendering
from orchestrator.surfaces.api.role_dependencies import Admin, Viewer
from orchestrator.surfaces.api.schemas import cost_schemas


def router(environment_service: EnvironmentService) -> APIRouter:
    routes = APIRouter(tags=["costs"])

    @routes.get("/costs")
    async def costs(caller: Viewer, by: CostGrouping = CostGrouping.REPOSITORY) -> cost_schemas.CostReportResponse:
        """What environments cost: now, this month, and day by day."""
        found = await for_caller(environment_service, caller).costs(by)
        return cost_schemas.CostReportResponse.model_validate(found)

    @routes.get("/environments/{name:path}/cost")
    async def environment_cost(name: Annotated[str, Path(max_length=300)], caller: Viewer) -> cost_schemas.CostDetails:
        """An environment's estimate by part, and what each strategy saves."""
        view = for_caller(environment_service, caller).environment(name)
        return cost_rendering.details(view.name, view.cost)

    @routes.get("/prices")
    async def prices(caller: Viewer) -> cost_schemas.PriceLists:
        """The prices that estimates use, with their source and date."""
        return cost_rendering.price_lists(for_caller(environment_service, caller).prices())

    @routes.post("/prices/refresh")
    async def refresh_prices(caller: Admin) -> cost_schemas.PriceRefresh:
        """Downloads public prices, for targets that publish them."""
        return cost_schemas.PriceRefresh(refreshed=await environment_service.refresh_prices(caller.name))

    return routes
