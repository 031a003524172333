"""The dashboard's page for share links, and the pages that a visitor with a link sees.

The link's secret moves from the URL into a cookie at once, so that it isn't left in the address bar while the visitor
enters the password. The browser then goes to the preview with a grant, which the gateway exchanges for its own cookie.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.auth import preview_grants
from orchestrator.auth.identities import Role
from orchestrator.auth.sharing.share_link_service import ShareLinkService, ShareRefusal, ShareRefused
from orchestrator.auth.sharing.share_link_store import ShareLinksUnavailable
from orchestrator.auth.sharing.share_links import ShareLink
from orchestrator.service.port import EnvironmentNotFound
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import PreviewAccess
from orchestrator.surfaces.api.authentication import same_origin
from orchestrator.surfaces.api.routes import share_routes
from orchestrator.surfaces.api.routes.share_routes import OPEN_PATH
from orchestrator.surfaces.dashboard.forms import read_form
from orchestrator.surfaces.dashboard.pages import DashboardPages
from orchestrator.surfaces.dashboard.preview_sign_in import GATEWAY_PATH

COOKIE_SECONDS = 600
HOURS = {"1": 1, "24": 24, "168": 168, "720": 720}
STATUS = {ShareRefusal.WRONG_PASSWORD: 401, ShareRefusal.TOO_MANY_WRONG_PASSWORDS: 429}


def add_routes(routes: APIRouter, pages: DashboardPages, access: PreviewAccess, links: ShareLinkService) -> None:
    _manage(routes, pages, access, links)
    _visit(routes, pages, access, links)


def _manage(routes: APIRouter, pages: DashboardPages, access: PreviewAccess, links: ShareLinkService) -> None:
    async def page(request: Request, name: str, url: str = "") -> Response:
        caller = await pages.authenticator.require(request, Role.DEVELOPER)
        view = pages.service(request).environment(name)
        found = await asyncio.to_thread(share_routes.visible, links, caller, str(view.ref))
        return pages.html("shares.html", request, view=view, links=found, url=url)

    @routes.get("/shares")
    async def show(request: Request, environment: Annotated[str, Query(max_length=300)]) -> Response:
        if (await pages.authenticator.caller(request)).role is None:
            return pages.sign_in(request, to=f"/shares?{urlencode({'environment': environment})}")
        return await page(request, environment)

    @routes.post("/shares")
    async def create(request: Request) -> Response:
        caller = await pages.authenticator.require(request, Role.DEVELOPER)
        form = await read_form(request)
        view = pages.service(request).environment(form.get("environment", ""))
        hours = HOURS.get(form.get("hours", ""), 0)
        wanted = share_routes.share_request(view, timedelta(hours=hours), form.get("password", ""))
        issued = await asyncio.to_thread(share_routes.create, links, wanted, caller)
        return await page(request, form.get("environment", ""), share_routes.link_url(access, issued))

    @routes.post("/shares/{link_id}/revoke")
    async def revoke(request: Request, link_id: str) -> Response:
        caller = await pages.authenticator.require(request, Role.DEVELOPER)
        link = await asyncio.to_thread(share_routes.revoke, links, link_id, caller)
        return RedirectResponse(f"/shares?{urlencode({'environment': link.environment})}", 303)


def _visit(routes: APIRouter, pages: DashboardPages, access: PreviewAccess, links: ShareLinkService) -> None:
    @routes.get(f"{OPEN_PATH}/{{secret}}")
    async def follow(request: Request, secret: str) -> Response:
        answer = RedirectResponse(OPEN_PATH, 303)
        answer.set_cookie(
            _cookie(request),
            secret[:100],
            max_age=COOKIE_SECONDS,
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="lax",  # people follow the link on another site
            path="/",
        )
        return answer

    @routes.get(OPEN_PATH)
    async def ask(request: Request) -> Response:
        secret = request.cookies.get(_cookie(request), "")
        try:
            link = await asyncio.to_thread(links.find, secret)
            if link.password_hash:
                return pages.html("share.html", request, message="", ask=True)
            return await _open(request, secret, "")
        except (ShareRefused, ShareLinksUnavailable) as error:
            return _refused(request, error)

    @routes.post(OPEN_PATH)
    async def unlock(request: Request) -> Response:
        if not same_origin(request):
            raise ApiError(403, wording.dashboard.CROSS_SITE, wording.dashboard.OPEN_LINK_AGAIN)
        password = (await read_form(request)).get("password", "")
        try:
            return await _open(request, request.cookies.get(_cookie(request), ""), password)
        except (ShareRefused, ShareLinksUnavailable) as error:
            return _refused(request, error)

    async def _open(request: Request, secret: str, password: str) -> Response:
        found = await asyncio.to_thread(links.find, secret)
        try:
            pages.environment_service.environment(found.environment)
        except EnvironmentNotFound:
            raise ShareRefused(ShareRefusal.UNKNOWN_LINK, wording.dashboard.PREVIEW_GONE) from None
        link = await asyncio.to_thread(links.open, secret, password)
        # A page instead of a redirect: the Content-Security-Policy forbids a form to lead to another host.
        answer = pages.html(
            "signed_in.html", request, to=_preview_url(pages, access, link), title=wording.dashboard.OPENING
        )
        answer.delete_cookie(_cookie(request), path="/", secure=request.url.scheme == "https", httponly=True)
        return answer

    def _refused(request: Request, error: ShareRefused | ShareLinksUnavailable) -> Response:
        if isinstance(error, ShareLinksUnavailable):
            return pages.html("share.html", request, 503, message=wording.dashboard.TRY_IN_MINUTES, ask=False)
        ask = error.reason is ShareRefusal.WRONG_PASSWORD
        return pages.html("share.html", request, STATUS.get(error.reason, 404), message=str(error), ask=ask)


def _preview_url(pages: DashboardPages, access: PreviewAccess, link: ShareLink) -> str:
    now = pages.settings.clock().timestamp()
    grant = preview_grants.create_share_grant(access.key, link.id, link.host, now)
    return f"{access.url(link.host)}{GATEWAY_PATH}?{urlencode({'share': grant})}"


def _cookie(request: Request) -> str:
    return "__Host-eph_share" if request.url.scheme == "https" else "eph_share"
