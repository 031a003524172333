"""Authenticates and authorizes requests.

Programs send ``Authorization: Bearer …``. A browser signs in once with the same token and then has a signed session
cookie with its expiry and the token's hash. So a session ends with its token, and nothing is stored.

A browser sends a cookie whatever page caused the request, so a change authenticated by cookie is accepted only from our
own origin. Previews are on neighbouring host names and run code from pull requests: the check compares origins, never
sites.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request, Response

from orchestrator.auth.identities import ANONYMOUS, Caller, Role, Token, find_token, hash_token
from orchestrator.auth.sessions import create_session, token_hash
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.api_settings import ApiSettings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator:
    """Identifies the caller of a request."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def caller(self, request: Request) -> Caller:
        header = request.headers.get("authorization", "")
        scheme, _, secret = header.partition(" ")
        if header:
            token = self.by_secret(secret.strip()) if scheme.lower() == "bearer" else None
            return Caller(token.name, token.role) if token else ANONYMOUS
        token = self._by_session(request)
        return Caller(token.name, token.role) if token else ANONYMOUS

    def by_secret(self, secret: str) -> Token | None:
        return find_token(self._settings.tokens, hash_token(secret)) if secret else None

    def require(self, request: Request, role: Role) -> Caller:
        """The caller if authorized; otherwise raises 401 or 403 with what to do."""
        caller = self.caller(request)
        if caller.may(role) or (role is Role.VIEWER and self._settings.public_reads):
            return caller
        if caller.role is None:
            raise unauthorized()
        raise ApiError(
            403,
            f"{caller.name} has the role {caller.role.name.lower()}, but this requires {role.name.lower()}",
            "Ask an Eph administrator for a token with that role.",
        )

    def sign_in(self, request: Request, response: Response, token: Token) -> None:
        ends = self._settings.clock() + self._settings.session_ttl
        response.set_cookie(
            cookie_name(request),
            create_session(self._settings.session_key, token, ends),
            max_age=int(self._settings.session_ttl.total_seconds()),
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="strict",
            path="/",
        )

    def _by_session(self, request: Request) -> Token | None:
        session = request.cookies.get(cookie_name(request), "")
        digest = token_hash(self._settings.session_key, session, self._settings.clock())
        if not digest:
            return None
        if request.method not in SAFE_METHODS and not same_origin(request):
            raise ApiError(403, "cross-site request rejected", "Use the Eph dashboard or a token.")
        return find_token(self._settings.tokens, digest)


def unauthorized() -> ApiError:
    error = ApiError(401, "missing or invalid token", "Set EPH_TOKEN or send 'Authorization: Bearer <token>'.")
    error.headers = {"WWW-Authenticate": "Bearer"}
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
