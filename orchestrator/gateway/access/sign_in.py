"""Access to protected previews: requires a token from the file that ephd created, or one derived from it for a single
environment (S5).

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

from orchestrator.auth import return_paths
from orchestrator.auth.preview_tokens import host_token, parse_tokens, sign_cookie
from orchestrator.gateway import holding_pages
from orchestrator.gateway.access.cross_site import is_cross_site
from orchestrator.gateway.access.guess_limiter import GuessLimiter
from orchestrator.gateway.access.people import Admission, KeyFile, PeopleGuard
from orchestrator.gateway.access.share_links import ShareGuard
from orchestrator.gateway.proxy import headers as names
from orchestrator.gateway.proxy.headers import ClientInfo
from orchestrator.gateway.route_directory import file_version
from programs.kit import host_names

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
    """``protects_all``: every preview requires sign-in, not only those whose route says so. ``people``: sign-in by
    account, besides tokens. ``shares``: share links, which don't open a preview with a list of people."""

    tokens: PreviewTokens
    people: PeopleGuard = field(default_factory=lambda: PeopleGuard("", KeyFile(None)))
    shares: ShareGuard = field(default_factory=lambda: ShareGuard(KeyFile(None), None))
    protects_all: bool = False
    now: Callable[[], float] = time.time
    failures: GuessLimiter = field(default_factory=lambda: GuessLimiter(FAILURES_PER_MINUTE))

    async def challenge(
        self, request: web.BaseRequest, host: str, client_info: ClientInfo, allow: tuple[str, ...] = ()
    ) -> web.StreamResponse | None:
        """The response for a client without access; None if it has access. ``allow``: only these people; then the
        tokens that open every preview don't count, because they say nothing about who has them."""
        path = request.rel_url.raw_path
        if path == "/robots.txt":
            return web.Response(text=_ROBOTS, headers={names.ROBOTS_HEADER: names.NO_ROBOTS, hdrs.SERVER: "eph"})
        if path == SIGN_IN_PATH:
            return await self._handle_form(request, host, client_info, allow)
        shown = self._check_token(request, host, allow)
        if shown is TokenCheck.RIGHT or self._has_valid_cookie(request, host, client_info.scheme, allow):
            return None
        if shown is TokenCheck.WRONG and (wait := self.failures.take_try(client_info.address)):
            return holding_pages.render(holding_pages.too_many_tokens(wait), request.headers)
        back = request.rel_url.raw_path_qs if request.method == "GET" else "/"
        return self._refuse(request, host, back, client_info, allow)

    def _refuse(
        self, request: web.BaseRequest, host: str, back: str, client_info: ClientInfo, allow: tuple[str, ...]
    ) -> web.Response:
        if self.people.admission(request, host, client_info.scheme, allow) is Admission.NOT_ALLOWED:
            return self.people.not_allowed(request)
        if self.people.is_available and _is_page_view(request):
            return self.people.redirect_to_sign_in(host, safe_path(back), client_info)
        return self._sign_in_page(request, host, back, bool(allow))

    def is_valid(self, token_text: str, host: str, allow: tuple[str, ...] = ()) -> bool:
        """Compares with every token, each in constant time."""
        candidate = token_text.encode("utf-8", "surrogateescape")
        return any(hmac.compare_digest(candidate, token) for token in self._accepted_tokens(host, allow))

    def _accepted_tokens(self, host: str, allow: tuple[str, ...]) -> list[bytes]:
        """The tokens of the file, which open every preview without a list, and those derived from them for this
        environment, which its suites and our health checks have."""
        environment = host_names.environment_host(host)
        tokens = self.tokens.all()
        derived = [host_token(token, environment).encode() for token in tokens]
        return derived if allow else [*tokens, *derived]

    def _check_token(self, request: web.BaseRequest, host: str, allow: tuple[str, ...]) -> TokenCheck:
        candidates = [*request.headers.getall(names.TOKEN_HEADER, ()), *filter(None, [bearer_token(request)])]
        if not candidates:
            return TokenCheck.NOTHING
        return TokenCheck.RIGHT if any(self.is_valid(token, host, allow) for token in candidates) else TokenCheck.WRONG

    def _has_valid_cookie(self, request: web.BaseRequest, host: str, scheme: str, allow: tuple[str, ...]) -> bool:
        """Another preview's page could make requests here with this browser's cookie; that doesn't count."""
        environment = host_names.environment_host(host)
        if is_cross_site(request, lambda page: host_names.environment_host(page) == environment):
            return False
        if self.people.admission(request, host, scheme, allow) is Admission.ALLOWED:
            return True
        if not allow and self.shares.is_open(request, host, scheme):
            return True
        values = names.cookies(request.headers, names.sign_in_cookie(scheme))
        return any(self._is_valid_cookie(value, host, allow) for value in values)

    def _is_valid_cookie(self, value: str, host: str, allow: tuple[str, ...] = ()) -> bool:
        match = _COOKIE.fullmatch(value)
        if match is None or not self.now() < int(match["until"]) <= self.now() + COOKIE_SECONDS + 1:
            return False
        seals = [sign_cookie(token, host, match["until"]) for token in self._accepted_tokens(host, allow)]
        return any(hmac.compare_digest(seal, match["seal"]) for seal in seals)

    async def _handle_form(
        self, request: web.BaseRequest, host: str, client_info: ClientInfo, allow: tuple[str, ...]
    ) -> web.StreamResponse:
        if request.method == "GET" and "grant" in request.rel_url.query:
            return self._handle_grant(request, host, client_info, allow)
        if is_share_visit(request):
            return self._handle_share(request, host, client_info, allow)
        if allow and self.people.is_available and _is_page_view(request):
            return self.people.redirect_to_sign_in(host, "/", client_info)
        if request.method != "POST":
            return self._sign_in_page(request, host, "/", bool(allow))
        fields = await _form_fields(request)
        back = safe_path(fields.get("to", "/"))
        token = fields.get("token", "").strip()
        if self.is_valid(token, host, allow):
            return self._signed_in(host, token, back, client_info)
        if wait := self.failures.take_try(client_info.address):
            return holding_pages.render(holding_pages.too_many_tokens(wait), request.headers)
        return self._sign_in_page(request, host, back, bool(allow), failed_before=True)

    def _handle_grant(
        self, request: web.BaseRequest, host: str, client_info: ClientInfo, allow: tuple[str, ...]
    ) -> web.Response:
        back = safe_path(request.rel_url.query.get("to", "/"))
        accepted = self.people.accept_grant(request, host, back, client_info)
        if accepted is not None:
            return accepted
        if allow:
            return holding_pages.render(holding_pages.sign_in_incomplete(), request.headers)
        return self._sign_in_page(request, host, back, people_only=False)

    def _handle_share(
        self, request: web.BaseRequest, host: str, client_info: ClientInfo, allow: tuple[str, ...]
    ) -> web.Response:
        accepted = None if allow else self.shares.accept_grant(request, host, client_info)
        return accepted or holding_pages.render(holding_pages.share_link_invalid(bool(allow)), request.headers)

    def _signed_in(self, host: str, token: str, return_path: str, client_info: ClientInfo) -> web.Response:
        until = str(int(self.now()) + COOKIE_SECONDS)
        value = f"{until}.{sign_cookie(token.encode('utf-8', 'surrogateescape'), host, until)}"
        answer = web.Response(status=303, headers={hdrs.LOCATION: return_path, hdrs.CACHE_CONTROL: "no-store"})
        answer.headers.update(
            {hdrs.SERVER: "eph", names.ROBOTS_HEADER: names.NO_ROBOTS, "Referrer-Policy": "no-referrer"}
        )
        answer.set_cookie(
            names.sign_in_cookie(client_info.scheme),
            value,
            max_age=COOKIE_SECONDS,
            path="/",
            httponly=True,
            samesite="Lax",
            secure=client_info.scheme == "https",
        )
        return answer

    def _sign_in_page(
        self, request: web.BaseRequest, host: str, return_path: str, people_only: bool, *, failed_before: bool = False
    ) -> web.Response:
        if people_only:
            return holding_pages.render(holding_pages.sign_in_with_account(), request.headers)
        if not self.tokens.all():
            return holding_pages.render(holding_pages.no_token(), request.headers)
        answer = holding_pages.render(
            holding_pages.sign_in(failed_before, safe_path(return_path)), request.headers, host
        )
        answer.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="preview"'
        return answer


def is_share_visit(request: web.BaseRequest) -> bool:
    """Whether ephd sent the browser here with a share link, maybe to a preview that needs no sign-in."""
    return request.method == "GET" and request.rel_url.raw_path == SIGN_IN_PATH and "share" in request.rel_url.query


def _is_page_view(request: web.BaseRequest) -> bool:
    """Whether a person's browser opens a page, so that a redirect leads somewhere."""
    return request.method == "GET" and "text/html" in request.headers.get(hdrs.ACCEPT, "")


def bearer_token(request: web.BaseRequest) -> str:
    kind, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return credentials.strip() if kind.lower() == "bearer" else ""


def safe_path(path: str) -> str:
    """A path on the same site that isn't the form's own."""
    found = return_paths.safe_path(path)
    return "/" if found.startswith(SIGN_IN_PATH) else found


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
