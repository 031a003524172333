"""Authenticates and authorizes requests.

Programs send ``Authorization: Bearer …``. A browser signs in once, at the identity provider or with a token, and then
has a signed session cookie with its expiry and the token's hash. So a session ends with its token.

A browser sends a cookie whatever page caused the request, so a change authenticated by cookie is accepted only from our
own origin. Previews are on neighbouring host names and run code from pull requests: the check compares origins, never
sites.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from fastapi import Request, Response

from orchestrator.auth.identities import ANONYMOUS, Caller, Role
from orchestrator.auth.sessions import create_session, token_hash
from orchestrator.auth.token_store import TokensUnavailable
from orchestrator.auth.tokens import Token, TokenKind, find_token, hash_token
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import ApiSettings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator:
    """Identifies the caller of a request, once for each."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    async def caller(self, request: Request) -> Caller:
        known: Caller | None = getattr(request.state, "caller", None)
        if known is None:
            token = await self.token(request)
            known = request.state.caller = token.caller if token else ANONYMOUS
        return known

    async def token(self, request: Request) -> Token | None:
        header = request.headers.get("authorization", "")
        scheme, _, secret = header.partition(" ")
        if header:
            return await self.by_secret(secret.strip()) if scheme.lower() == "bearer" else None
        return await self._by_session(request)

    async def by_secret(self, secret: str) -> Token | None:
        return await self._by_hash(hash_token(secret)) if secret else None

    async def require(self, request: Request, role: Role, *, whole_service: bool = False) -> Caller:
        """The caller if authorized; otherwise raises 401 or 403 with what to do. ``whole_service``: a token for some
        repositories isn't enough."""
        caller = await self.caller(request)
        if whole_service and caller.is_scoped:
            raise ApiError(
                403,
                wording.api.restricted(caller.name, ", ".join(caller.repositories)),
                wording.api.ASK_FOR_UNRESTRICTED,
            )
        if caller.may(role) or (role is Role.VIEWER and self._settings.public_reads):
            return caller
        if caller.role is None:
            raise unauthorized()
        raise ApiError(
            403,
            wording.api.role_too_low(caller.name, caller.role.name.lower(), role.name.lower()),
            wording.api.ASK_FOR_ROLE,
        )

    def sign_in(self, request: Request, response: Response, token: Token) -> None:
        """A session of a person ends with its token; one that a token was entered for, no later than that token."""
        ends = self._settings.clock() + self._settings.session_ttl
        if token.expires_at is not None:
            ends = token.expires_at if token.kind is TokenKind.SESSION else min(ends, token.expires_at)
        response.set_cookie(
            cookie_name(request),
            create_session(self._settings.session_key, token, ends),
            max_age=int((ends - self._settings.clock()).total_seconds()),
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="strict",
            path="/",
        )

    async def _by_session(self, request: Request) -> Token | None:
        session = request.cookies.get(cookie_name(request), "")
        digest = token_hash(self._settings.session_key, session, self._settings.clock())
        if not digest:
            return None
        if request.method not in SAFE_METHODS and not same_origin(request):
            raise ApiError(403, wording.api.CROSS_SITE, wording.api.USE_DASHBOARD)
        return await self._by_hash(digest)

    async def _by_hash(self, digest: str) -> Token | None:
        """The server's own token first, so that it works while the database is down."""
        found = find_token(self._settings.tokens, digest)
        if found is not None or self._settings.token_service is None:
            return found
        try:
            return await asyncio.to_thread(self._settings.token_service.find, digest)
        except TokensUnavailable as error:
            raise ApiError(503, str(error), wording.api.TRY_LATER) from error


def unauthorized(resource_metadata: str = "") -> ApiError:
    """``resource_metadata``: the URL at which a client learns how to get a token."""
    error = ApiError(401, wording.api.INVALID_TOKEN, wording.api.SEND_TOKEN)
    where = f' resource_metadata="{resource_metadata}"' if resource_metadata else ""
    error.headers = {"WWW-Authenticate": f"Bearer{where}"}
    return error


def cookie_name(request: Request) -> str:
    # The __Host- prefix keeps a neighbouring host from setting the cookie; browsers allow it over TLS only.
    return "__Host-eph_session" if request.url.scheme == "https" else "eph_session"


def same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host", "")
