"""Callers and tokens over HTTP, and the sign-in of command-line clients."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from orchestrator.auth import device_flow
from orchestrator.auth.device_flow import DeviceFlow, DeviceState, TooManyPending
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.token_service import IssuedToken, TokenRefused, TokenRequest, TokenService
from orchestrator.auth.tokens import Token
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.role_dependencies import SignedIn
from orchestrator.surfaces.api.schemas import auth_schemas


def router(settings: ApiSettings, devices: DeviceFlow) -> APIRouter:
    routes = APIRouter()
    _whoami(routes)
    if settings.token_service is not None:
        _tokens(routes, settings.token_service)
        _devices(routes, settings, settings.token_service, devices)
    return routes


def _whoami(routes: APIRouter) -> None:
    @routes.get("/whoami", tags=["tokens"])
    async def whoami(caller: SignedIn) -> auth_schemas.WhoAmI:
        """Who the caller is, and what it may do."""
        return auth_schemas.WhoAmI(
            name=caller.name,
            role=_role_name(caller.role or Role.VIEWER),
            repositories=list(caller.repositories),
            token=caller.token,
            expires_at=caller.expires_at,
            max_deploys=caller.max_deploys,
        )


def _tokens(routes: APIRouter, tokens: TokenService) -> None:
    @routes.get("/tokens", tags=["tokens"])
    async def list_tokens(caller: SignedIn) -> auth_schemas.TokenList:
        """The caller's tokens and sessions; an admin sees everyone's."""
        found = await run_in_threadpool(tokens.visible_to, caller)
        return auth_schemas.TokenList(items=[_item(token) for token in found])

    @routes.post("/tokens", tags=["tokens"], status_code=201)
    async def create_token(body: auth_schemas.NewToken, caller: SignedIn) -> auth_schemas.CreatedToken:
        """Creates a token that may do no more than the caller's own."""
        request = TokenRequest(
            role=Role[body.role.upper()],
            lifetime=timedelta(seconds=body.seconds),
            service=body.service,
            label=body.label,
            repositories=tuple(body.repositories),
            max_deploys=body.max_deploys,
        )
        return _created(await run_in_threadpool(_create, tokens, request, caller))

    @routes.delete("/tokens/{token_id}", tags=["tokens"])
    async def revoke_token(token_id: str, caller: SignedIn) -> auth_schemas.TokenItem:
        """Revokes a token of the caller; an admin can revoke anyone's. Takes effect at once."""
        return _item(await run_in_threadpool(revoke, tokens, token_id, caller))


def _devices(routes: APIRouter, settings: ApiSettings, tokens: TokenService, devices: DeviceFlow) -> None:
    @routes.post("/auth/device", tags=["tokens"])
    async def start_device(body: auth_schemas.DeviceStart, request: Request) -> auth_schemas.DeviceCodes:
        """Starts the sign-in of a command-line client: a person has to confirm it in a browser."""
        if settings.sign_in is None:
            raise ApiError(404, wording.api.NO_PROVIDER, wording.api.USE_TOKEN)
        address = request.client.host if request.client else "unknown"
        try:
            code, pending = devices.start(body.label, address)
        except TooManyPending:
            raise ApiError(429, wording.api.TOO_MANY_CLIENTS, wording.api.TRY_IN_MINUTES) from None
        return auth_schemas.DeviceCodes(
            device_code=code,
            user_code=pending.user_code,
            verification_url=f"{settings.sign_in.url}/device",
            interval=device_flow.INTERVAL_SECONDS,
            expires_in=int(device_flow.LIFETIME.total_seconds()),
        )

    @routes.post("/auth/device/token", tags=["tokens"])
    async def poll_device(body: auth_schemas.DevicePoll) -> auth_schemas.DeviceResult:
        """The token, once a person has confirmed. It can be fetched once."""
        state, found = devices.fetch(body.device_code)
        if state is DeviceState.PENDING:
            return auth_schemas.DeviceResult(state="pending")
        if state is not DeviceState.APPROVED or found is None or found.person is None:
            what = wording.api.REFUSED_IN_BROWSER if state is DeviceState.DENIED else "has expired"
            raise ApiError(409, wording.api.sign_in_ended(what), wording.api.SIGN_IN_AGAIN)
        issued = await asyncio.to_thread(tokens.issue_client_token, found.person, found.label)
        return auth_schemas.DeviceResult(state="approved", token=_created(issued))


def revoke(tokens: TokenService, token_id: str, caller: Caller) -> Token:
    try:
        return tokens.revoke(token_id, caller)
    except TokenRefused as error:
        raise ApiError(404, str(error), wording.api.LIST_TOKENS) from error


def _create(tokens: TokenService, request: TokenRequest, caller: Caller) -> IssuedToken:
    try:
        return tokens.create(request, caller)
    except TokenRefused as error:
        raise ApiError(403, str(error), wording.api.REQUEST_LESS) from error


def _created(issued: IssuedToken) -> auth_schemas.CreatedToken:
    return auth_schemas.CreatedToken(secret=issued.secret, token=_item(issued.token))


def _item(token: Token) -> auth_schemas.TokenItem:
    return auth_schemas.TokenItem(
        id=token.id,
        owner=token.owner,
        kind=token.kind.value,
        label=token.label,
        role=_role_name(token.role),
        repositories=list(token.repositories),
        created_at=token.created_at,
        expires_at=token.expires_at,
        max_deploys=token.max_deploys,
    )


def _role_name(role: Role) -> auth_schemas.RoleName:
    names: dict[Role, auth_schemas.RoleName] = {
        Role.VIEWER: "viewer",
        Role.DEVELOPER: "developer",
        Role.ADMIN: "admin",
    }
    return names[role]
