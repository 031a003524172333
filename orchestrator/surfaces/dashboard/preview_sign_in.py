"""Tells the gateway who a person is, so that it can let them open a protected preview.

The gateway sends the browser here with a host and a state, and gets it back with a grant. It goes to hosts of existing
environments only, so that this is no open redirect, and only to those of repositories that the person may see.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.auth import preview_grants
from orchestrator.auth.preview_grants import Visitor
from orchestrator.auth.return_paths import safe_path
from orchestrator.auth.tokens import Token
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import PreviewAccess
from orchestrator.surfaces.dashboard.pages import DashboardPages

PATH = "/auth/preview"
SIGN_IN_PATH = "/auth/sign-in"
GATEWAY_PATH = "/_eph/sign-in"
_SERVICE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def add_routes(routes: APIRouter, pages: DashboardPages, access: PreviewAccess) -> None:
    @routes.get(PATH)
    async def preview(
        request: Request,
        host: Annotated[str, Query(max_length=300)],
        state: Annotated[str, Query(min_length=16, max_length=100)],
        to: Annotated[str, Query(max_length=2048)] = "/",
        again: bool = False,
    ) -> Response:
        token = await pages.authenticator.token(request)
        if token is None or not token.caller.person:
            return _sign_in_first(pages, request, again)
        await pages.authenticator.caller(request)
        _check_host(pages, request, host)
        grant = preview_grants.create_grant(
            access.key, _visitor(token), host, state, pages.settings.clock().timestamp()
        )
        query = urlencode({"grant": grant, "to": safe_path(to)})
        return RedirectResponse(f"{access.url(host)}{GATEWAY_PATH}?{query}", 303)


def _sign_in_first(pages: DashboardPages, request: Request, again: bool) -> Response:
    """A browser that comes from another site sends no strict cookie, so the page first opens itself once more."""
    here = f"{PATH}?{request.url.query}"
    if not again:
        return pages.html("signed_in.html", request, to=f"{here}&again=1", title="Signing in")
    return RedirectResponse(f"{SIGN_IN_PATH}?to={quote(here, safe='')}", 303)


def _visitor(token: Token) -> Visitor:
    return Visitor(token.owner, token.groups)


def _check_host(pages: DashboardPages, request: Request, host: str) -> None:
    """``host`` is an environment's own or that of one of its public services: ``api--shop-x-1.localhost``."""
    first, _, rest = host.partition(".")
    service, mark, name = first.partition("--")
    environment = f"{name}.{rest}" if mark and _SERVICE.fullmatch(service) else host
    if all(view.host != environment for view in pages.service(request).environments()):
        raise ApiError(404, wording.dashboard.NO_PREVIEW, wording.dashboard.CHECK_LINK)
