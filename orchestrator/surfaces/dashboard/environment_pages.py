"""An environment's page: its tabs, each read on its own, and the actions of people.

A tab is a query parameter, so that it can be linked, and so that names with slashes stay possible.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.views import log_positions
from orchestrator.core.views.log_positions import InvalidPosition, LogPosition
from orchestrator.core.views.page_links import PageTab, line_url, tab_url
from orchestrator.ledger.port import Event
from orchestrator.service.port import (
    EnvironmentNotFound,
    EnvironmentService,
    RequestRefused,
    TemporarilyUnavailable,
    VariableChange,
)
from orchestrator.surfaces.api.api_errors import suggest_names
from orchestrator.surfaces.api.routes import screenshot_routes
from orchestrator.surfaces.dashboard import environment_tabs, html_filters, log_sections
from orchestrator.surfaces.dashboard.environment_tabs import EVENT_COUNT, TabRequest
from orchestrator.surfaces.dashboard.forms import Form, read_form
from orchestrator.surfaces.dashboard.pages import DashboardPages

REFRESH_SECONDS = 5
_REFRESH = {PageTab.LOGS: 2, PageTab.VARIABLES: 0}
"""A form isn't reloaded while someone fills it in, even without scripts."""
DOWNLOAD_LINES = 5000
DAY_SECONDS = 24 * 3600
MAX_SEARCH = 200
Commit = Annotated[str, Query(pattern="^[0-9a-f]{0,40}$")]
Line = Annotated[str, Query(max_length=log_positions.MAX_LENGTH)]
DEVELOPER_TABS = frozenset({PageTab.DATABASE, PageTab.VARIABLES})
EnvironmentAction = Callable[[EnvironmentService, str, Form], Awaitable[object]]
"""What a form requests, in the name of a person."""


def add_routes(routes: APIRouter, pages: DashboardPages) -> None:
    _actions(routes, pages)
    _variables(routes, pages)
    _reads(routes, pages)


def _reads(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.get("/e/{name:path}/logs.txt")
    async def download(request: Request, name: str, commit: Commit = "", line: Line = "") -> Response:
        """The output of the newest commit's build and of its services; of one commit's build; or only the lines at a
        position in it."""
        if not await pages.may_read(request):
            return pages.sign_in(request, to=f"{request.url.path}?{request.url.query}")
        service = pages.service(request)
        service.environment(name)  # an unknown one is an error, not a file
        if commit or line:
            lines = log_sections.text_lines(await service.steps(name, commit), _position(line))
        else:
            lines = await environment_tabs.lines(service.all_logs(name, DOWNLOAD_LINES))
        attachment = {"Content-Disposition": 'attachment; filename="logs.txt"'}
        return PlainTextResponse("\n".join([*lines, ""]), headers=attachment)

    @routes.get("/e/{name:path}/suites/{suite}/screenshots/{file}")
    async def screenshot(request: Request, name: str, suite: str, file: str) -> Response:
        if not await pages.may_read(request):
            return pages.sign_in(request, 401, to=tab_url(f"/e/{name}", PageTab.TESTS))
        return await screenshot_routes.picture(pages.service(request), name, suite, file)

    @routes.get("/e/{name:path}")
    async def page(
        request: Request,
        name: str,
        tab: Annotated[str, Query(max_length=40)] = "",
        confirm: bool = False,
        commit: Commit = "",
        line: Line = "",
        q: Annotated[str, Query(max_length=MAX_SEARCH)] = "",
    ) -> Response:
        position = _position(line)
        if not await pages.may_read(request):
            here = line_url(request.url.path, commit, str(position)) if position else ""
            return pages.sign_in(request, to=here or tab_url(request.url.path, _tab(tab)))
        shown = TabRequest(_tab(tab), commit, q.strip(), position)
        return await _page(pages, request, name, shown, confirm=confirm)


def _position(text: str) -> LogPosition | None:
    """None if it isn't one: a link of another version still shows the logs."""
    try:
        return log_positions.parse(text) if text else None
    except InvalidPosition:
        return None


def _tab(name: str) -> PageTab:
    """An unknown one is the overview: a link of another version still shows the page."""
    return next((tab for tab in PageTab if tab == name), PageTab.OVERVIEW)


def _tabs(pages: DashboardPages, request: Request) -> list[PageTab]:
    return [tab for tab in PageTab if tab not in DEVELOPER_TABS or pages.is_developer(request)]


async def _page(
    pages: DashboardPages,
    request: Request,
    name: str,
    shown: TabRequest,
    *,
    confirm: bool = False,
    refusal: str = "",
) -> Response:
    service = pages.service(request)
    try:
        view = service.environment(name)
    except EnvironmentNotFound:
        hint = suggest_names(name, service.environments())
        return pages.html("missing.html", request, 404, name=name, hint=hint, events=await _history(service, name))
    tabs = _tabs(pages, request)
    if shown.tab not in tabs:
        shown = TabRequest()
    refresh = _REFRESH.get(shown.tab, REFRESH_SECONDS)
    return pages.html(
        f"tab_{shown.tab}.html",
        request,
        409 if refusal else 200,
        refresh=0 if confirm or refusal else refresh,
        view=view,
        tabs=tabs,
        shown=shown,
        confirm=confirm,
        refusal=refusal,
        **await environment_tabs.values(service, view, shown),
    )


async def _history(service: EnvironmentService, name: str) -> list[Event]:
    """What the event log knows of an environment that is gone, the newest first."""
    try:
        return list(reversed(await service.events(name, 0, EVENT_COUNT, True)))
    except (EnvironmentNotFound, TemporarilyUnavailable):
        return []


def _actions(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.post("/e/{name:path}/up")
    async def up(request: Request, name: str) -> Response:
        return await _perform(pages, request, name, lambda service, by, _: service.up(name, by))

    @routes.post("/e/{name:path}/down")
    async def down(request: Request, name: str) -> Response:
        return await _perform(pages, request, name, lambda service, by, _: service.down(name, by))

    @routes.post("/e/{name:path}/sleep")
    async def sleep(request: Request, name: str) -> Response:
        return await _perform(pages, request, name, lambda service, by, _: service.sleep(name, by))

    @routes.post("/e/{name:path}/wake")
    async def wake(request: Request, name: str) -> Response:
        return await _perform(pages, request, name, lambda service, by, _: service.wake_up(name, by))

    @routes.post("/e/{name:path}/restart")
    async def restart(request: Request, name: str) -> Response:
        def action(service: EnvironmentService, by: str, form: Form) -> Awaitable[object]:
            return service.restart(name, form.get("service", ""), by)

        return await _perform(pages, request, name, action)

    @routes.post("/e/{name:path}/databases/reset")
    async def reset_database(request: Request, name: str) -> Response:
        def action(service: EnvironmentService, by: str, form: Form) -> Awaitable[object]:
            return service.reset_database(name, form.get("database", ""), by)

        return await _perform(pages, request, name, action, PageTab.DATABASE)

    @routes.post("/e/{name:path}/extend")
    async def extend(request: Request, name: str) -> Response:
        return await _perform(pages, request, name, lambda service, by, _: service.extend(name, DAY_SECONDS, by))


def _variables(routes: APIRouter, pages: DashboardPages) -> None:
    @routes.post("/e/{name:path}/variables")
    async def set_variable(request: Request, name: str) -> Response:
        """One variable. An empty value is a value."""

        def action(service: EnvironmentService, by: str, form: Form) -> Awaitable[object]:
            value = VariableValue(form.get("value", "").replace("\r\n", "\n"), "secret" in form)
            return service.change_variables(name, VariableChange({form.get("name", "").strip(): value}), by)

        return await _perform(pages, request, name, action, PageTab.VARIABLES)

    @routes.post("/e/{name:path}/variables/unset")
    async def unset_variable(request: Request, name: str) -> Response:
        def action(service: EnvironmentService, by: str, form: Form) -> Awaitable[object]:
            return service.change_variables(name, VariableChange(unset=(form.get("name", ""),)), by)

        return await _perform(pages, request, name, action, PageTab.VARIABLES)


async def _perform(
    pages: DashboardPages, request: Request, name: str, action: EnvironmentAction, tab: PageTab = PageTab.OVERVIEW
) -> Response:
    """Shows the tab afterwards, with the reason if the action was refused."""
    actor = (await pages.require_developer(request)).name
    form = await read_form(request)
    try:
        await action(pages.service(request), actor, form)
    except RequestRefused as error:
        return await _page(pages, request, name, TabRequest(tab), refusal=str(error))
    return RedirectResponse(tab_url(html_filters.path(name), tab), 303)
