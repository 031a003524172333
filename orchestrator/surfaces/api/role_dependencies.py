"""Roles as FastAPI dependencies: a parameter ``caller: Developer``."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Security
from fastapi.security import HTTPBearer

from orchestrator.auth.identities import Caller, Role
from orchestrator.surfaces.api.authentication import Authenticator, unauthorized


def install(app: FastAPI, authenticator: Authenticator) -> None:
    app.state.keeper = authenticator


async def _require(request: Request, role: Role, *, whole_service: bool = False) -> Caller:
    keeper: Authenticator = request.app.state.keeper
    return await keeper.require(request, role, whole_service=whole_service)


# The scheme is only for /openapi.json: the authenticator reads the header and the browser's cookie.
_Scheme = Annotated[object, Security(HTTPBearer(auto_error=False))]


async def viewer(request: Request, _: _Scheme) -> Caller:
    return await _require(request, Role.VIEWER)


async def developer(request: Request, _: _Scheme) -> Caller:
    return await _require(request, Role.DEVELOPER)


async def service_viewer(request: Request, _: _Scheme) -> Caller:
    return await _require(request, Role.VIEWER, whole_service=True)


async def service_developer(request: Request, _: _Scheme) -> Caller:
    return await _require(request, Role.DEVELOPER, whole_service=True)


async def admin(request: Request, _: _Scheme) -> Caller:
    return await _require(request, Role.ADMIN, whole_service=True)


async def signed_in(request: Request, _: _Scheme) -> Caller:
    """Anyone with a role, also where reading is public."""
    caller = await _require(request, Role.VIEWER)
    if caller.role is None:
        raise unauthorized()
    return caller


Viewer = Annotated[Caller, Depends(viewer)]
Developer = Annotated[Caller, Depends(developer)]
ServiceDeveloper = Annotated[Caller, Depends(service_developer)]
"""For what concerns all repositories."""
Admin = Annotated[Caller, Depends(admin)]
SignedIn = Annotated[Caller, Depends(signed_in)]
ADMIN = Depends(admin)
DEVELOPER = Depends(developer)
SERVICE_VIEWER = Depends(service_viewer)
