"""The page on which a person lets a coding agent's client act in their name."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from orchestrator.auth.agent_authorizations import (
    CONSENT_PATH,
    SCOPES,
    AgentAuthorizations,
    AgentRequest,
    AuthorizationRefused,
)
from orchestrator.surfaces import wording
from orchestrator.surfaces.dashboard.forms import read_form
from orchestrator.surfaces.dashboard.pages import DashboardPages
from orchestrator.surfaces.dashboard.sign_in_pages import require_person

LONGEST = 2048


def add_routes(routes: APIRouter, pages: DashboardPages, authorizations: AgentAuthorizations) -> None:
    @routes.get(CONSENT_PATH)
    async def show(
        request: Request, asked: Annotated[str, Query(alias="request", max_length=LONGEST)] = ""
    ) -> Response:
        caller = await pages.authenticator.caller(request)
        if caller.role is None:
            return pages.sign_in(request, to=f"{CONSENT_PATH}?request={quote(asked)}")
        found = authorizations.unseal(asked)
        if found is None:
            return pages.html("agent.html", request, 404, found=None, message=wording.dashboard.UNKNOWN_REQUEST)
        role = min(caller.role, SCOPES[found.scope])
        return pages.html(
            "agent.html", request, found=found, asked=asked, role=role, destination=_destination(found), message=""
        )

    @routes.post(CONSENT_PATH)
    async def decide(request: Request) -> Response:
        caller = await require_person(pages, request)
        form = await read_form(request)
        found = authorizations.unseal(form.get("request", ""))
        if found is None:
            return pages.html("agent.html", request, 404, found=None, message=wording.dashboard.UNKNOWN_REQUEST)
        answer = {"error": "access_denied"}
        if form.get("decision") == "approve":
            try:
                answer = {"code": authorizations.approve(found, caller)}
            except AuthorizationRefused:
                answer = {"error": "temporarily_unavailable"}
        # A page instead of a redirect, which our Content-Security-Policy forbids after a form.
        to = _with_answer(found, {**answer, **({"state": found.state} if found.state else {})})
        return pages.html("signed_in.html", request, to=to, title=wording.dashboard.RETURN_TO_CLIENT)


def _with_answer(request: AgentRequest, answer: dict[str, str]) -> str:
    separator = "&" if urlsplit(request.redirect_uri).query else "?"
    return f"{request.redirect_uri}{separator}{urlencode(answer)}"


def _destination(request: AgentRequest) -> str:
    """Where the client's code goes: a host, or an app on the person's machine."""
    parts = urlsplit(request.redirect_uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"
