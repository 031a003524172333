"""Access to protected previews: requires a token from the file that ephd created (S5).

A program sends it with each request, in ``X-Eph-Preview-Token`` or as ``Authorization: Bearer``. A person enters it
once per host; the browser then holds a cookie with an expiry, signed with a key derived from the token. So nothing has
to be stored, and removing a token from the file revokes its cookies.

Failed attempts are counted by address. A valid token always passes: tokens are too long to be guessed, and nobody must
be able to lock out ephd's own health checks.
"""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs

from aiohttp import hdrs, web

from orchestrator.auth.preview_tokens import parse_tokens, sign_cookie
from orchestrator.gateway import holding_pages, hostnames
from orchestrator.gateway.access.cross_site import is_cross_site
from orchestrator.gateway.access.guess_limiter import GuessLimiter
from orchestrator.gateway.proxy import headers as names
from orchestrator.gateway.proxy.headers import ClientInfo
from orchestrator.gateway.route_directory import file_version

SIGN_IN_PATH = "/_eph/sign-in"
COOKIE_SECONDS = 12 * 3600
MAX_FORM = 4096
FAILURES_PER_MINUTE = 10
_COOKIE = re.compile(r"(?P<until>[0-9]{1,12})\.(?P<seal>[0-9a-f]{64})", re.ASCII)
_ROBOTS = "User-agent: *\nDisallow: /\n"


class TokenCheck(Enum):
    NOTHING = "nothing"
    RIGHT = "right"
    WRONG = "wrong"


class PreviewTokens:
    """The tokens of the file, which is read again when it changes."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._cached: tuple[object, tuple[bytes, ...]] = (None, ())

    def all(self) -> tuple[bytes, ...]:
        """Empty if the file has none; then nobody gets access."""
        seen = file_version(str(self._file)) if self._file else None
        if seen is None or self._file is None:
            return ()
        if seen != self._cached[0]:
            try:
                self._cached = (seen, parse_tokens(self._file.read_bytes()))
            except OSError:
                return ()
        return self._cached[1]


@dataclass(frozen=True, slots=True)
class SignInGuard:
    """``protects_all``: every preview requires sign-in, not only those whose route says so."""

    tokens: PreviewTokens
    protects_all: bool = False
    now: Callable[[], float] = time.time
    failures: GuessLimiter = field(default_factory=lambda: GuessLimiter(FAILURES_PER_MINUTE))

    async def challenge(
        self, request: web.BaseRequest, host: str, client_info: ClientInfo
    ) -> web.StreamResponse | None:
        """The response for a client without access; None if it has access."""
        path = request.rel_url.raw_path
        if path == "/robots.txt":
            return web.Response(text=_ROBOTS, headers={names.ROBOTS_HEADER: names.NO_ROBOTS, hdrs.SERVER: "eph"})
        if path == SIGN_IN_PATH:
            return await self._handle_form(request, host, client_info)
        shown = self._check_token(request)
        if shown is TokenCheck.RIGHT or self._has_valid_cookie(request, host):
            return None
        if shown is TokenCheck.WRONG and (wait := self.failures.take_try(client_info.address)):
            return holding_pages.render(holding_pages.too_many_tokens(wait), request.headers)
        back = request.rel_url.raw_path_qs if request.method == "GET" else "/"
        return self._sign_in_page(request, host, back)

    def is_valid(self, token_text: str) -> bool:
        """Compares with every token, each in constant time."""
        candidate = token_text.encode("utf-8", "surrogateescape")
        return any(hmac.compare_digest(candidate, token) for token in self.tokens.all())

    def _check_token(self, request: web.BaseRequest) -> TokenCheck:
        candidates = [*request.headers.getall(names.TOKEN_HEADER, ()), *filter(None, [bearer_token(request)])]
        if not candidates:
            return TokenCheck.NOTHING
        return TokenCheck.RIGHT if any(self.is_valid(token) for token in candidates) else TokenCheck.WRONG

    def _has_valid_cookie(self, request: web.BaseRequest, host: str) -> bool:
        """Another preview's page could make requests here with this browser's cookie; that doesn't count."""
        environment = hostnames.environment_host(host)
        if is_cross_site(request, lambda page: hostnames.environment_host(page) == environment):
            return False
        return any(self._is_valid_cookie(value, host) for value in names.cookies(request.headers, names.SIGN_IN_COOKIE))

    def _is_valid_cookie(self, value: str, host: str) -> bool:
        match = _COOKIE.fullmatch(value)
        if match is None or not self.now() < int(match["until"]) <= self.now() + COOKIE_SECONDS + 1:
            return False
        seals = [sign_cookie(token, host, match["until"]) for token in self.tokens.all()]
        return any(hmac.compare_digest(seal, match["seal"]) for seal in seals)

    async def _handle_form(self, request: web.BaseRequest, host: str, client_info: ClientInfo) -> web.StreamResponse:
        if request.method != "POST":
            return self._sign_in_page(request, host, "/")
        fields = await _form_fields(request)
        back = safe_path(fields.get("to", "/"))
        token = fields.get("token", "").strip()
        if self.is_valid(token):
            return self._signed_in(host, token, back, client_info)
        if wait := self.failures.take_try(client_info.address):
            return holding_pages.render(holding_pages.too_many_tokens(wait), request.headers)
        return self._sign_in_page(request, host, back, failed_before=True)

    def _signed_in(self, host: str, token: str, return_path: str, client_info: ClientInfo) -> web.Response:
        until = str(int(self.now()) + COOKIE_SECONDS)
        value = f"{until}.{sign_cookie(token.encode('utf-8', 'surrogateescape'), host, until)}"
        answer = web.Response(status=303, headers={hdrs.LOCATION: return_path, hdrs.CACHE_CONTROL: "no-store"})
        answer.headers.update(
            {hdrs.SERVER: "eph", names.ROBOTS_HEADER: names.NO_ROBOTS, "Referrer-Policy": "no-referrer"}
        )
        secure = client_info.scheme == "https"
        answer.set_cookie(
            names.SIGN_IN_COOKIE, value, max_age=COOKIE_SECONDS, path="/", httponly=True, samesite="Lax", secure=secure
        )
        return answer

    def _sign_in_page(
        self, request: web.BaseRequest, host: str, return_path: str, failed_before: bool = False
    ) -> web.Response:
        if not self.tokens.all():
            return holding_pages.render(holding_pages.no_token(), request.headers)
        answer = holding_pages.render(
            holding_pages.sign_in(failed_before, safe_path(return_path)), request.headers, host
        )
        answer.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="preview"'
        return answer


def bearer_token(request: web.BaseRequest) -> str:
    kind, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return credentials.strip() if kind.lower() == "bearer" else ""


def safe_path(path: str) -> str:
    """A path on the same site. Anything that a browser could take for another site becomes the root page."""
    plain = path.isascii() and path.isprintable() and "\\" not in path and len(path) <= 2048
    return path if plain and path.startswith("/") and not path.startswith(("//", SIGN_IN_PATH)) else "/"


async def _form_fields(request: web.BaseRequest) -> dict[str, str]:
    """The fields of a form or a JSON object; empty for anything else or anything large."""
    if (request.content_length or 0) > MAX_FORM:
        return {}
    body = b""
    async for part in request.content.iter_any():
        body += part
        if len(body) > MAX_FORM:
            return {}
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text) if request.content_type == "application/json" else parse_qs(text, max_num_fields=8)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: str(value[0] if isinstance(value, list) and value else value) for key, value in found.items()}
