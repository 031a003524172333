"""Share links over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from orchestrator.auth.identities import Caller
from orchestrator.auth.sharing.share_link_service import (
    IssuedShareLink,
    ShareLinkService,
    ShareRefusal,
    ShareRefused,
    ShareRequest,
)
from orchestrator.auth.sharing.share_link_store import ShareLinksUnavailable
from orchestrator.auth.sharing.share_links import ShareLink
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.service.port import EnvironmentService
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import PreviewAccess
from orchestrator.surfaces.api.role_dependencies import Developer
from orchestrator.surfaces.api.schemas import auth_schemas

OPEN_PATH = "/share"


def router(environment_service: EnvironmentService, access: PreviewAccess, links: ShareLinkService) -> APIRouter:
    routes = APIRouter(prefix="/share-links", tags=["share links"])

    @routes.get("")
    async def list_share_links(
        caller: Developer, environment: Annotated[str, Query(max_length=300)] = ""
    ) -> auth_schemas.ShareLinkList:
        """Valid links, of one environment or of all that the caller may see."""
        ref = str(for_caller(environment_service, caller).environment(environment).ref) if environment else ""
        found = await run_in_threadpool(visible, links, caller, ref)
        return auth_schemas.ShareLinkList(items=[_item(link) for link in found])

    @routes.post("", status_code=201)
    async def create_share_link(body: auth_schemas.NewShareLink, caller: Developer) -> auth_schemas.CreatedShareLink:
        """Creates a link that opens one protected preview without an account."""
        view = for_caller(environment_service, caller).environment(body.environment)
        request = share_request(view, timedelta(seconds=body.seconds), body.password)
        issued = await run_in_threadpool(create, links, request, caller)
        return auth_schemas.CreatedShareLink(url=link_url(access, issued), link=_item(issued.link))

    @routes.delete("/{link_id}")
    async def revoke_share_link(link_id: str, caller: Developer) -> auth_schemas.ShareLinkItem:
        """Revokes a link. The preview is closed to its visitors at once."""
        return _item(await run_in_threadpool(revoke, links, link_id, caller))

    return routes


def share_request(view: EnvironmentView, lifetime: timedelta, password: str) -> ShareRequest:
    return ShareRequest(str(view.ref), view.name or str(view.ref), view.host, view.repository, lifetime, password)


def link_url(access: PreviewAccess, issued: IssuedShareLink) -> str:
    return f"{access.dashboard_url}{OPEN_PATH}/{issued.secret}"


def visible(links: ShareLinkService, caller: Caller, environment: str) -> list[ShareLink]:
    try:
        return links.visible_to(caller, environment)
    except ShareLinksUnavailable as error:
        raise _unavailable(error) from error


def create(links: ShareLinkService, request: ShareRequest, caller: Caller) -> IssuedShareLink:
    try:
        return links.create(request, caller)
    except ShareRefused as error:
        status = 409 if error.reason is ShareRefusal.NO_HOST else 422
        raise ApiError(status, str(error), wording.api.SHARE_HELP) from error
    except ShareLinksUnavailable as error:
        raise _unavailable(error) from error


def revoke(links: ShareLinkService, link_id: str, caller: Caller) -> ShareLink:
    try:
        return links.revoke(link_id, caller)
    except ShareRefused as error:
        raise ApiError(404, str(error), wording.api.LIST_LINKS) from error
    except ShareLinksUnavailable as error:
        raise _unavailable(error) from error


def _unavailable(error: ShareLinksUnavailable) -> ApiError:
    return ApiError(503, str(error), wording.api.TRY_LATER)


def _item(link: ShareLink) -> auth_schemas.ShareLinkItem:
    return auth_schemas.ShareLinkItem(
        id=link.id,
        environment=link.name,
        repository=link.repository,
        has_password=bool(link.password_hash),
        created_by=link.created_by,
        created_at=link.created_at,
        expires_at=link.expires_at,
    )
