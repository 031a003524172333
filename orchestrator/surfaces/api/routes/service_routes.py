"""The service itself over HTTP: status, events, and actions for operators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from sse_starlette import EventSourceResponse

from orchestrator.forges.webhooks import WebhookRequest
from orchestrator.service.port import EnvironmentService
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.rendering import render
from orchestrator.surfaces.api.role_dependencies import ADMIN, DEVELOPER, Admin, ServiceDeveloper, Viewer
from orchestrator.surfaces.api.routes.streams import Streams
from orchestrator.surfaces.api.schemas import environment_schemas as schemas

EnvironmentName = Annotated[str, Query(alias="environment", max_length=300)]
After = Annotated[int, Query(ge=0, le=2**63 - 1)]


def router(environment_service: EnvironmentService, streams: Streams, settings: ApiSettings) -> APIRouter:
    routes = APIRouter()
    _reads(routes, environment_service, streams, settings)
    _actions(routes, environment_service)
    _webhooks(routes, settings)
    return routes


def _reads(routes: APIRouter, environment_service: EnvironmentService, streams: Streams, settings: ApiSettings) -> None:
    @routes.get("/status", tags=["service"])
    async def service_status(caller: Viewer) -> schemas.StatusResponse:
        """The state of the service, and what it couldn't read."""
        seen = for_caller(environment_service, caller)
        status = seen.status()
        return render.status(status, len(seen.environments()) if status.last_cycle else 0, settings.forge)

    @routes.get("/audit", tags=["service"])
    async def audit(_: ServiceDeveloper) -> schemas.AuditResponse:
        """Compares the actual resources with stacks and pull requests; changes nothing."""
        return schemas.AuditResponse.model_validate(await environment_service.audit())

    @routes.get("/events", tags=["events"])
    async def list_events(
        caller: Viewer,
        name: EnvironmentName = "",
        after: After = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        newest: bool = False,
    ) -> schemas.EventPage:
        """The event log, oldest first; ``newest`` returns the last events instead."""
        found = await for_caller(environment_service, caller).events(name, after, limit, newest)
        return schemas.EventPage(
            items=[schemas.EventItem.model_validate(item) for item in found],
            next=found[-1].id if found else after,
        )

    @routes.get("/events/stream", tags=["events"], response_class=EventSourceResponse)
    async def follow_events(
        caller: Viewer,
        name: EnvironmentName = "",
        after: After = 0,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        """The event log as server-sent events. A client that reconnects resumes after Last-Event-ID."""
        if last_event_id and last_event_id.isdecimal():
            after = min(int(last_event_id), 2**63 - 1)
        # Checked before the stream starts, so that an unknown name is a 404 and not a broken stream.
        seen = for_caller(environment_service, caller)
        await seen.events(name, after, 1, False)
        return streams.respond(streams.events(seen, name, after))


def _actions(routes: APIRouter, environment_service: EnvironmentService) -> None:
    @routes.post("/sweep", tags=["service"])
    async def sweep(caller: Admin, dry_run: bool = False) -> schemas.Sweep:
        """Looks for orphans now and removes them; with ``dry_run`` only lists them."""
        return schemas.Sweep(dry_run=dry_run, found=await environment_service.sweep(dry_run, caller.name))

    @routes.post("/plans/{digest}/approve", tags=["service"])
    async def approve(
        digest: Annotated[str, Path(pattern=r"^[0-9a-f]{6,64}$")],
        caller: Admin,
    ) -> schemas.Approved:
        """Approves one exact plan that a guard holds."""
        return schemas.Approved(message=await environment_service.approve_plan(digest, caller.name))

    @routes.post("/pause", tags=["service"])
    async def pause(body: schemas.PauseRequest, caller: Admin) -> schemas.PauseState:
        """Starts nothing until the server is resumed, across restarts. An earlier pause stays as it is."""
        return schemas.PauseState.model_validate(environment_service.pause(body.reason, caller.name))

    @routes.post("/resume", tags=["service"])
    async def resume(caller: Admin) -> schemas.Resumed:
        """Ends a pause."""
        return schemas.Resumed(was_paused=environment_service.resume(caller.name))

    @routes.post("/wake", tags=["service"], status_code=202, dependencies=[DEVELOPER])
    async def wake() -> schemas.Accepted:
        """Starts a cycle now instead of at the next interval."""
        environment_service.trigger_cycle()
        return schemas.Accepted(message=wording.api.CYCLE_STARTS)


def _webhooks(routes: APIRouter, settings: ApiSettings) -> None:
    @routes.post(f"/webhooks/{settings.forge}", tags=["webhooks"], status_code=202)
    async def webhook(request: Request) -> schemas.Accepted:
        """Triggers an early cycle. A webhook contains no commands: the state is read again from the Git host."""
        if settings.webhook is None:
            raise _no_webhooks()
        if not await run_in_threadpool(settings.webhook, WebhookRequest(request.headers, await request.body())):
            raise ApiError(401, wording.api.INVALID_SIGNATURE, wording.api.SAME_SECRET)
        return schemas.Accepted(message="thanks")

    @routes.post(f"/webhooks/{settings.forge}/test", tags=["webhooks"], dependencies=[ADMIN])
    async def test() -> schemas.WebhookTest:
        """Sends a signed ping to this server, through its public address if that is set, and returns the result."""
        if settings.webhook_test is None:
            raise _no_webhooks()
        found = await settings.webhook_test()
        return schemas.WebhookTest.model_validate(found)


def _no_webhooks() -> ApiError:
    hint = wording.api.SET_WEBHOOK_SECRET
    return ApiError(404, wording.api.NO_WEBHOOKS, hint)
