"""What every page of the dashboard shares: templates, the caller, and what the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from orchestrator.auth.identities import ANONYMOUS, Caller, Role
from orchestrator.service.port import EnvironmentService, TemporarilyUnavailable
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.authentication import Authenticator
from orchestrator.surfaces.dashboard import html_filters

TEMPLATES_FOLDER = Path(__file__).parent
REFRESH_SECONDS = 5


class DashboardPages:
    """Jinja with autoescaping, and what each page needs besides its own values."""

    def __init__(
        self, environment_service: EnvironmentService, authenticator: Authenticator, settings: ApiSettings
    ) -> None:
        self.environment_service, self.authenticator, self.settings = environment_service, authenticator, settings
        self._jinja = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._jinja.filters.update(html_filters.FILTERS)

    def html(self, template: str, request: Request, code: int = 200, **values: object) -> HTMLResponse:
        caller: Caller = getattr(request.state, "caller", ANONYMOUS)
        values = {
            "now": self.settings.clock(),
            "version": self.settings.version,
            "caller": caller,
            "developer": caller.may(Role.DEVELOPER),
            "admin": caller.may(Role.ADMIN) and not caller.is_scoped,
            "has_tokens": self.settings.token_service is not None,
            "can_share": self.settings.previews is not None and self.settings.previews.share_links is not None,
            "refresh": 0,
            **values,
        }
        return HTMLResponse(self._jinja.get_template(template).render(values), code)

    async def may_read(self, request: Request) -> bool:
        caller = await self.authenticator.caller(request)
        return self.settings.public_reads or caller.may(Role.VIEWER)

    def service(self, request: Request) -> EnvironmentService:
        """What the caller may see of it; only after the caller was identified."""
        caller: Caller = request.state.caller
        return for_caller(self.environment_service, caller)

    def is_developer(self, request: Request) -> bool:
        """Only after the caller was identified."""
        caller: Caller = request.state.caller
        return caller.may(Role.DEVELOPER)

    def unavailable(self, request: Request, error: TemporarilyUnavailable) -> HTMLResponse:
        refresh = REFRESH_SECONDS if request.method == "GET" else 0
        return self.html("unavailable.html", request, 503, reason=str(error), refresh=refresh)

    def sign_in(self, request: Request, status: int = 200, message: str = "", to: str = "/") -> HTMLResponse:
        people = self.settings.sign_in
        provider = people.provider.label if people else ""
        return self.html("login.html", request, status, message=message, provider=provider, to=to)

    def route_class(self) -> type[APIRoute]:
        """Routes that show a page where the API returns a 503."""
        pages = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def page(request: Request) -> Response:
                    try:
                        return await handle(request)
                    except TemporarilyUnavailable as error:
                        return pages.unavailable(request, error)

                return page

        return PageRoute

    async def require_developer(self, request: Request) -> Caller:
        return await self.authenticator.require(request, Role.DEVELOPER)
