"""Roles as FastAPI dependencies: ``dependencies=[VIEWER]``, or a parameter ``caller: Developer``."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Security
from fastapi.security import HTTPBearer

from orchestrator.auth.identities import Caller, Role
from orchestrator.surfaces.api.authentication import Authenticator


def install(app: FastAPI, authenticator: Authenticator) -> None:
    app.state.keeper = authenticator


def _require(request: Request, role: Role) -> Caller:
    keeper: Authenticator = request.app.state.keeper
    return keeper.require(request, role)


# The scheme is only for /openapi.json: the authenticator reads the header and the browser's cookie.
_Scheme = Annotated[object, Security(HTTPBearer(auto_error=False))]


def viewer(request: Request, _: _Scheme) -> Caller:
    return _require(request, Role.VIEWER)


def developer(request: Request, _: _Scheme) -> Caller:
    return _require(request, Role.DEVELOPER)


def admin(request: Request, _: _Scheme) -> Caller:
    return _require(request, Role.ADMIN)


VIEWER = Depends(viewer)
Developer = Annotated[Caller, Depends(developer)]
Admin = Annotated[Caller, Depends(admin)]
