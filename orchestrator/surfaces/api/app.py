"""Assembles the API.

There is no /docs: FastAPI's pages load scripts from a CDN, which isn't reachable from a closed network and which our
Content-Security-Policy forbids. /openapi.json contains everything, and docs/reference/api.md describes it.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from orchestrator.auth.agent_authorizations import AgentAuthorizations
from orchestrator.auth.device_flow import DeviceFlow
from orchestrator.service.port import EnvironmentService
from orchestrator.surfaces import dashboard, metrics, wording
from orchestrator.surfaces.api import api_errors, role_dependencies
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.authentication import Authenticator
from orchestrator.surfaces.api.middleware import BodyLimit, SecurityHeaders
from orchestrator.surfaces.api.role_dependencies import SERVICE_VIEWER
from orchestrator.surfaces.api.routes import (
    auth_routes,
    cache_routes,
    cost_routes,
    deploy_routes,
    environment_routes,
    exec_routes,
    service_routes,
    share_routes,
)
from orchestrator.surfaces.api.routes.streams import Streams
from orchestrator.surfaces.api.schemas import environment_schemas as schemas
from orchestrator.surfaces.mcp import endpoint as mcp_endpoint
from orchestrator.surfaces.mcp.oauth import routes as oauth_routes

ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": schemas.Error, "description": text}
    for status, text in {
        401: wording.api.ERROR_401,
        403: wording.api.ERROR_403,
        404: wording.api.ERROR_404,
        409: wording.api.ERROR_409,
        422: wording.api.ERROR_422,
        503: wording.api.ERROR_503,
    }.items()
}


DENIED: dict[int | str, dict[str, object]] = {status: ERRORS[status] for status in (401, 403)}


def create_app(environment_service: EnvironmentService, settings: ApiSettings) -> FastAPI:
    app = FastAPI(
        title="Eph", version=settings.version, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    keeper = Authenticator(settings)
    role_dependencies.install(app, keeper)
    streams = Streams(settings.stream_limit, settings.stream_poll)
    app.include_router(
        exec_routes.router(environment_service, streams, settings.exec_role), prefix="/api/v1", responses=ERRORS
    )
    app.include_router(cache_routes.router(environment_service), prefix="/api/v1", responses=ERRORS)
    app.include_router(cost_routes.router(environment_service), prefix="/api/v1", responses=ERRORS)
    app.include_router(environment_routes.router(environment_service, streams), prefix="/api/v1", responses=ERRORS)
    app.include_router(deploy_routes.router(environment_service), prefix="/api/v1", responses=ERRORS)
    app.include_router(deploy_routes.versions_router(environment_service), prefix="/api/v1", responses=ERRORS)
    app.include_router(
        service_routes.router(environment_service, streams, settings), prefix="/api/v1", responses=ERRORS
    )
    devices, agents = DeviceFlow(settings.clock), AgentAuthorizations(settings.session_key, settings.clock)
    app.include_router(auth_routes.router(settings, devices), prefix="/api/v1", responses=ERRORS)
    if settings.previews is not None and settings.previews.share_links is not None:
        routes = share_routes.router(environment_service, settings.previews, settings.previews.share_links)
        app.include_router(routes, prefix="/api/v1", responses=ERRORS)
    app.include_router(
        dashboard.router(environment_service, keeper, settings, devices, agents), include_in_schema=False
    )
    mcp_endpoint.install(app, environment_service, keeper, settings)
    oauth_routes.install(app, settings, agents)
    _probes(app, environment_service, settings)
    api_errors.install(app, environment_service)
    app.add_middleware(
        BodyLimit,
        limit=settings.body_limit,
        webhook_limit=settings.webhook_limit,
        upload_limit=settings.upload_limit,
    )
    app.add_middleware(SecurityHeaders)
    return app


def _probes(app: FastAPI, environment_service: EnvironmentService, settings: ApiSettings) -> None:
    @app.get("/healthz", tags=["probes"])
    async def alive() -> dict[str, str]:
        """The process responds."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["probes"], responses={503: {"description": wording.api.NO_RECENT_CYCLE}})
    async def ready() -> Response:
        """A cycle finished recently."""
        now, last = settings.clock(), environment_service.status().last_cycle
        if last is None:
            return JSONResponse({"status": wording.api.NO_CYCLE_YET}, 503)
        age = (now - last).total_seconds()
        if age > settings.ready_within.total_seconds():
            return JSONResponse({"status": wording.api.last_cycle(age)}, 503)
        return JSONResponse({"status": "ok", "leads": environment_service.status().leads})

    page: dict[int | str, dict[str, object]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get(
        "/metrics", tags=["probes"], dependencies=[SERVICE_VIEWER], response_class=Response, responses=DENIED | page
    )
    async def prometheus() -> Response:
        """Metrics for Prometheus; requires a viewer's token."""
        return Response(metrics.render(environment_service, settings.measurements), media_type=metrics.CONTENT_TYPE)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(_: Request) -> Response:
        return JSONResponse(app.openapi())
