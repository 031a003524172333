"""The dashboard's pages for sign-in at the identity provider, for tokens, and for confirming command-line clients."""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.auth.device_flow import DeviceFlow
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.return_paths import safe_path
from orchestrator.auth.sign_in import attempts
from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.people import CALLBACK_PATH, PeopleSignIn
from orchestrator.auth.sign_in.port import SignInFailed
from orchestrator.auth.token_service import TokenService
from orchestrator.auth.token_store import TokensUnavailable
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.authentication import same_origin
from orchestrator.surfaces.api.routes import auth_routes
from orchestrator.surfaces.dashboard import preview_sign_in
from orchestrator.surfaces.dashboard.forms import read_form
from orchestrator.surfaces.dashboard.pages import DashboardPages
from orchestrator.surfaces.dashboard.preview_sign_in import SIGN_IN_PATH

LONGEST = 2048


def add_routes(routes: APIRouter, pages: DashboardPages, devices: DeviceFlow) -> None:
    settings = pages.settings
    if settings.sign_in is not None:
        _provider(routes, pages, settings.sign_in)
        if settings.previews is not None:
            preview_sign_in.add_routes(routes, pages, settings.previews)
    if settings.token_service is not None:
        _devices(routes, pages, devices)
        _tokens(routes, pages, settings.token_service)


def _provider(routes: APIRouter, pages: DashboardPages, people: PeopleSignIn) -> None:
    @routes.get(SIGN_IN_PATH)
    async def start(request: Request, to: Annotated[str, Query(max_length=LONGEST)] = "/") -> Response:
        if request.headers.get("host", "") != urlsplit(people.url).netloc:
            # The cookie of the attempt must be on the host to which the provider returns.
            return RedirectResponse(f"{people.url}{SIGN_IN_PATH}?to={quote(safe_path(to))}", 303)
        attempt = Attempt.start(safe_path(to))
        try:
            answer = RedirectResponse(await people.authorization_url(attempt), 303)
        except SignInFailed as error:
            return pages.sign_in(request, 502, str(error))
        _keep_attempt(answer, request, pages, attempt)
        return answer

    @routes.get(CALLBACK_PATH)
    async def callback(
        request: Request,
        code: Annotated[str, Query(max_length=LONGEST)] = "",
        state: Annotated[str, Query(max_length=LONGEST)] = "",
        error: Annotated[str, Query(max_length=LONGEST)] = "",
    ) -> Response:
        attempt = _attempt(request, pages)
        if attempt is None or state != attempt.state:
            return pages.sign_in(request, 400, wording.dashboard.SIGN_IN_EXPIRED)
        if error or not code:
            return pages.sign_in(request, 403, wording.dashboard.SIGN_IN_UNCONFIRMED)
        try:
            token = await people.complete(code, attempt)
        except SignInFailed as failure:
            return pages.sign_in(request, 403, str(failure))
        except TokensUnavailable as failure:
            return pages.sign_in(request, 503, str(failure))
        # A page instead of a redirect: a browser that comes from another site sends no strict cookie along one.
        answer = pages.html("signed_in.html", request, to=attempt.to, title="Signed in")
        pages.authenticator.sign_in(request, answer, token)
        answer.delete_cookie(_attempt_cookie(request), path="/")
        return answer


def _devices(routes: APIRouter, pages: DashboardPages, devices: DeviceFlow) -> None:
    @routes.get("/device")
    async def show(request: Request, code: Annotated[str, Query(max_length=20)] = "") -> Response:
        caller = await pages.authenticator.caller(request)
        if caller.role is None:
            return pages.sign_in(request, to="/device")
        found = devices.pending(code) if code else None
        message = wording.dashboard.UNKNOWN_CODE if code and found is None else ""
        return pages.html("device.html", request, user_code=code, found=found, message=message, done="")

    @routes.post("/device")
    async def decide(request: Request) -> Response:
        caller = await require_person(pages, request)
        form = await read_form(request)
        found = devices.pending(form.get("code", ""))
        if found is None:
            message = wording.dashboard.UNKNOWN_CODE
            return pages.html("device.html", request, 404, user_code="", found=None, message=message, done="")
        approve = form.get("decision") == "approve"
        devices.decide(found, caller, approve)
        done = wording.dashboard.CLIENT_SIGNED_IN if approve else wording.dashboard.CLIENT_REFUSED
        return pages.html("device.html", request, user_code="", found=None, message="", done=done)


def _tokens(routes: APIRouter, pages: DashboardPages, tokens: TokenService) -> None:
    @routes.get("/tokens")
    async def show(request: Request) -> Response:
        caller = await pages.authenticator.caller(request)
        if caller.role is None:
            return pages.sign_in(request, to="/tokens")
        found = await asyncio.to_thread(tokens.visible_to, caller)
        return pages.html("tokens.html", request, tokens=found)

    @routes.post("/tokens/{token_id}/revoke")
    async def revoke(request: Request, token_id: str) -> Response:
        caller = await pages.authenticator.require(request, Role.VIEWER)
        await asyncio.to_thread(auth_routes.revoke, tokens, token_id, caller)
        return RedirectResponse("/tokens", 303)


async def require_person(pages: DashboardPages, request: Request) -> Caller:
    """Who may confirm a client: a person in a browser, whose name the client's actions get."""
    if not same_origin(request):
        raise ApiError(403, wording.dashboard.CROSS_SITE, wording.dashboard.CONFIRM_ON_DASHBOARD)
    caller = await pages.authenticator.require(request, Role.VIEWER)
    if not caller.person:
        raise ApiError(403, wording.dashboard.ONLY_PEOPLE, wording.dashboard.SIGN_IN_WITH_PROVIDER)
    return caller


def _keep_attempt(answer: Response, request: Request, pages: DashboardPages, attempt: Attempt) -> None:
    answer.set_cookie(
        _attempt_cookie(request),
        attempts.seal(pages.settings.session_key, attempt, pages.settings.clock()),
        max_age=int(attempts.LIFETIME.total_seconds()),
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",  # it has to come back from the provider's site
        path="/",
    )


def _attempt(request: Request, pages: DashboardPages) -> Attempt | None:
    value = request.cookies.get(_attempt_cookie(request), "")
    return attempts.unseal(pages.settings.session_key, value, pages.settings.clock())


def _attempt_cookie(request: Request) -> str:
    return "__Host-eph_attempt" if request.url.scheme == "https" else "eph_attempt"
