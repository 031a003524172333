"""The routes of the dashboard."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.auth.agent_authorizations import AgentAuthorizations
from orchestrator.auth.device_flow import DeviceFlow
from orchestrator.auth.return_paths import safe_path
from orchestrator.auth.tokens import TokenKind
from orchestrator.service.port import EnvironmentService
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.authentication import Authenticator, cookie_name, same_origin
from orchestrator.surfaces.dashboard import (
    agent_pages,
    cost_pages,
    environment_list,
    environment_pages,
    problem_pages,
    server_pages,
    share_pages,
    sign_in_pages,
)
from orchestrator.surfaces.dashboard.environment_list import Group, ListQuery, Order
from orchestrator.surfaces.dashboard.forms import read_form
from orchestrator.surfaces.dashboard.pages import TEMPLATES_FOLDER, DashboardPages

REFRESH_SECONDS = 5
EVENT_COUNT = 200
MAX_SEARCH = 200
CACHED = {"Cache-Control": "public, max-age=300"}


def router(
    environment_service: EnvironmentService,
    authenticator: Authenticator,
    settings: ApiSettings,
    devices: DeviceFlow,
    agents: AgentAuthorizations,
) -> APIRouter:
    pages = DashboardPages(environment_service, authenticator, settings)
    routes = APIRouter(route_class=pages.route_class())
    _session(routes, pages)
    _list(routes, pages)
    environment_pages.add_routes(routes, pages)
    server_pages.add_routes(routes, pages)
    _app(routes, pages)
    cost_pages.add_routes(routes, pages)
    problem_pages.add_routes(routes, pages)
    sign_in_pages.add_routes(routes, pages, devices)
    agent_pages.add_routes(routes, pages, agents)
    if settings.previews is not None and settings.previews.share_links is not None:
        share_pages.add_routes(routes, pages, settings.previews, settings.previews.share_links)
    return routes


def _session(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.get("/style.css")
    async def style() -> Response:
        css = (TEMPLATES_FOLDER / "style.css").read_text()
        return Response(css, media_type="text/css", headers=CACHED)

    @routes.get("/dashboard.js")
    async def script() -> Response:
        text = (TEMPLATES_FOLDER / "dashboard.js").read_text()
        return Response(text, media_type="text/javascript", headers=CACHED)

    @routes.post("/login")
    async def login(request: Request) -> Response:
        if not same_origin(request):
            raise ApiError(403, wording.dashboard.CROSS_SITE, wording.dashboard.SIGN_IN_ON_DASHBOARD)
        form = await read_form(request)
        return await _signed_in(pages, request, form.get("token", ""), safe_path(form.get("to", "/")))

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        if not same_origin(request):
            raise ApiError(403, wording.dashboard.CROSS_SITE, wording.dashboard.SIGN_OUT_ON_DASHBOARD)
        await _end_session(pages, request)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(cookie_name(request), path="/")
        return answer


async def _end_session(pages: DashboardPages, request: Request) -> None:
    """A copy of the cookie must not outlive it. A token that a person entered stays valid."""
    token = await pages.authenticator.token(request)
    if token is not None and token.kind is TokenKind.SESSION and pages.settings.token_service is not None:
        await asyncio.to_thread(pages.settings.token_service.end_session, token.id, token.owner)


async def _signed_in(pages: DashboardPages, request: Request, token: str, to: str) -> Response:
    known = await pages.authenticator.by_secret(token.strip())
    if known is None:
        return pages.sign_in(request, 401, "Invalid token.", to)
    answer = RedirectResponse(to, 303)
    pages.authenticator.sign_in(request, answer, known)
    return answer


def _list(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.get("/")
    async def front(request: Request, token: Annotated[str, Query(max_length=500)] = "") -> Response:
        if token and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            # Another site's link would let people act under a name that isn't theirs without noticing.
            return pages.sign_in(request, 403, wording.dashboard.LINK_FROM_OTHER_SITE)
        if token:
            # To the page without a query, so that the token of a link doesn't stay in the address bar.
            return await _signed_in(pages, request, token, "/")
        if not await pages.may_read(request):
            return pages.sign_in(request)
        service = pages.service(request)
        found = environment_list.select(service.environments(), _list_query(request))
        return pages.html(
            "list.html",
            request,
            refresh=REFRESH_SECONDS,
            list=found,
            orders=list(Order),
            status=service.status(),
            has_costs=any(view.cost for view in found.views),
        )

    @routes.get("/activity")
    async def activity(
        request: Request, q: Annotated[str, Query(max_length=MAX_SEARCH)] = "", people: bool = False
    ) -> Response:
        """The newest events of everything that the caller may see."""
        if not await pages.may_read(request):
            return pages.sign_in(request, to=request.url.path)
        events = reversed(await pages.service(request).events("", 0, EVENT_COUNT, True))
        found = [
            event
            for event in events
            if environment_list.contains_words(q, event.kind, event.subject, event.message, event.actor)
            and not (people and event.actor == "eph")
        ]
        return pages.html("activity.html", request, refresh=REFRESH_SECONDS, events=found, search=q, people=people)


def _list_query(request: Request) -> ListQuery:
    """Unknown values select everything: a link of another version still shows a page."""
    given = {name: value[:MAX_SEARCH] for name, value in request.query_params.items()}
    page = given.get("page", "")
    return ListQuery(
        search=given.get("q", "").strip(),
        repository=given.get("repository", ""),
        owner=given.get("owner", ""),
        group=next((group for group in Group if group == given.get("group")), None),
        order=next((order for order in Order if order == given.get("order")), Order.NEWEST),
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )


def _app(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.get("/apps/{repository:path}")
    async def app(request: Request, repository: str) -> Response:
        """All versions of one repository's app."""
        if not await pages.may_read(request):
            return pages.sign_in(request, to=request.url.path)
        found = await pages.service(request).versions(repository) if repository else []
        if not found:
            return pages.html(
                "missing.html", request, 404, name=repository, hint=wording.dashboard.NO_VERSIONS, events=[]
            )
        return pages.html("app.html", request, refresh=REFRESH_SECONDS, repository=found[0].repository, versions=found)
