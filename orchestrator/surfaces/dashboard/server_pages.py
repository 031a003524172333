"""Pages about the server: its state and pause, its settings, orphaned resources, and environments that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.auth.identities import Role
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event
from orchestrator.service.port import TemporarilyUnavailable
from orchestrator.surfaces.dashboard.forms import Form, read_form
from orchestrator.surfaces.dashboard.pages import DashboardPages

REFRESH_SECONDS = 5
MAX_REASON = 200
SEARCHED_EVENTS = 5000
"""How many events are searched for environments that are gone."""


@dataclass(frozen=True, slots=True)
class RemovedEnvironment:
    """``events``: how many of its events are in the log that was searched."""

    name: str
    at: datetime
    message: str
    by: str
    events: int


def add_routes(routes: APIRouter, pages: DashboardPages) -> None:
    _server(routes, pages)
    _reports(routes, pages)


def _server(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.get("/server")
    async def server(request: Request) -> Response:
        if not await pages.may_read(request):
            return pages.sign_in(request, to=request.url.path)
        return _server_page(pages, request)

    @routes.post("/server/pause")
    async def pause(request: Request) -> Response:
        def action(by: str, form: Form) -> object:
            return pages.environment_service.pause(form.get("reason", "")[:MAX_REASON], by)

        return await _perform(pages, request, action)

    @routes.post("/server/resume")
    async def resume(request: Request) -> Response:
        return await _perform(pages, request, lambda by, _: pages.environment_service.resume(by))


async def _perform(pages: DashboardPages, request: Request, action: Callable[[str, Form], object]) -> Response:
    actor = (await pages.authenticator.require(request, Role.ADMIN, whole_service=True)).name
    form = await read_form(request)
    try:
        action(actor, form)
    except TemporarilyUnavailable as error:
        return _server_page(pages, request, str(error))
    return RedirectResponse("/server", 303)


def _server_page(pages: DashboardPages, request: Request, problem: str = "") -> Response:
    service = pages.service(request)
    status = service.status()
    return pages.html(
        "server.html",
        request,
        503 if problem else 200,
        refresh=REFRESH_SECONDS if status.pause and not problem else 0,
        status=status,
        environments=len(service.environments()) if status.last_cycle else 0,
        problem=problem,
        max_reason=MAX_REASON,
    )


def _reports(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.get("/settings")
    async def settings(request: Request) -> Response:
        """Admins only: settings name folders, hosts and people."""
        if (await pages.authenticator.caller(request)).role is None:
            return pages.sign_in(request, to=request.url.path)
        await pages.authenticator.require(request, Role.ADMIN, whole_service=True)
        shown = pages.settings.shown_settings
        changed = "all" not in request.query_params
        found = [item for item in shown if not (changed and item.is_default)]
        return pages.html("settings.html", request, settings=found, total=len(shown), changed=changed)

    @routes.get("/audit")
    async def audit(request: Request) -> Response:
        if (await pages.authenticator.caller(request)).role is None:
            return pages.sign_in(request, to=request.url.path)
        await pages.authenticator.require(request, Role.DEVELOPER, whole_service=True)
        return pages.html("audit.html", request, audit=await pages.environment_service.audit())

    @routes.get("/removed")
    async def removed(request: Request) -> Response:
        if not await pages.may_read(request):
            return pages.sign_in(request, to=request.url.path)
        service = pages.service(request)
        events = await service.events("", 0, SEARCHED_EVENTS, True)
        existing = {str(view.ref) for view in service.environments()}
        return pages.html("removed.html", request, removed=find_removed(events, existing), searched=len(events))


def find_removed(events: Iterable[Event], existing: set[str]) -> list[RemovedEnvironment]:
    """The last destroy of each environment that doesn't exist, the newest first. ``events``: oldest first."""
    last: dict[str, Event] = {}
    counts: dict[str, int] = {}
    for event in events:
        counts[event.subject] = counts.get(event.subject, 0) + 1
        if event.kind == EventKind.ENVIRONMENT_DESTROYED and event.subject not in existing:
            last[event.subject] = event
    found = [
        RemovedEnvironment(name, event.at, event.message, event.actor, counts[name]) for name, event in last.items()
    ]
    return sorted(found, key=lambda item: item.at, reverse=True)
