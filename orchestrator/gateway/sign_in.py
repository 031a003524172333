"""Who may see a protected preview: whoever shows a token of the file that ephd made (S5).

A machine shows it with each request, in ``X-Eph-Preview-Token`` or as ``Authorization: Bearer``. A person types it
once for each host; the browser then holds a cookie that says until when, signed with a key that follows from the
token. So nothing has to be stored, and a token that is taken out of the file takes its cookies with it.

Wrong tries are counted by address. A right token always passes: tokens are too long to be guessed, and nobody shall
be able to lock ephd's own health checks out.
"""

from __future__ import annotations

import hashlib
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

from orchestrator.gateway import headers as names
from orchestrator.gateway import hosts, pages
from orchestrator.gateway.directory import signature
from orchestrator.gateway.headers import Sender
from orchestrator.gateway.limits import Limits

PATH = "/_eph/sign-in"
LIFE_SECONDS = 12 * 3600
SHORTEST = 24
MOST_FORM = 4096
WRONG_PER_MINUTE = 10
_COOKIE = re.compile(r"(?P<until>[0-9]{1,12})\.(?P<seal>[0-9a-f]{64})", re.ASCII)
_ROBOTS = "User-agent: *\nDisallow: /\n"


class Shown(Enum):
    NOTHING = "nothing"
    RIGHT = "right"
    WRONG = "wrong"


class Tokens:
    """The tokens of a file, one a line, read again when it changes. Lines that are empty or start with # do not count,
    nor do those that are short enough to be guessed."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known: tuple[object, tuple[bytes, ...]] = (None, ())

    def all(self) -> tuple[bytes, ...]:
        """Empty when there is none to go by; then nobody gets in."""
        seen = signature(str(self._file)) if self._file else None
        if seen is None or self._file is None:
            return ()
        if seen != self._known[0]:
            try:
                lines = self._file.read_bytes().split(b"\n")
            except OSError:
                return ()
            found = (line.strip() for line in lines)
            self._known = (seen, tuple(line for line in found if len(line) >= SHORTEST and not line.startswith(b"#")))
        return self._known[1]


@dataclass(frozen=True, slots=True)
class Guard:
    """``everywhere``: every preview asks, not only those whose route says so."""

    tokens: Tokens
    everywhere: bool = False
    now: Callable[[], float] = time.time
    wrong: Limits = field(default_factory=lambda: Limits(WRONG_PER_MINUTE))

    async def stops(self, request: web.BaseRequest, host: str, sender: Sender) -> web.StreamResponse | None:
        """The answer to who may not pass, or None."""
        path = request.rel_url.raw_path
        if path == "/robots.txt":
            return web.Response(text=_ROBOTS, headers={names.ROBOTS: names.NO_ROBOTS, hdrs.SERVER: "eph"})
        if path == PATH:
            return await self._form(request, host, sender)
        shown = self._shown(request)
        if shown is Shown.RIGHT or self._signed(request, host):
            return None
        if shown is Shown.WRONG and (wait := self.wrong.guess(sender.address)):
            return pages.render(pages.too_many_tokens(wait), request.headers)
        back = request.rel_url.raw_path_qs if request.method == "GET" else "/"
        return self._ask(request, host, back)

    def right(self, said: str) -> bool:
        """Compares with every token, each in constant time."""
        asked = said.encode("utf-8", "surrogateescape")
        return any(hmac.compare_digest(asked, token) for token in self.tokens.all())

    def _shown(self, request: web.BaseRequest) -> Shown:
        said = [*request.headers.getall(names.TOKEN, ()), *filter(None, [bearer(request)])]
        if not said:
            return Shown.NOTHING
        return Shown.RIGHT if any(self.right(token) for token in said) else Shown.WRONG

    def _signed(self, request: web.BaseRequest, host: str) -> bool:
        """Another preview's page may open a WebSocket here with this browser's cookie: that does not count."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin and hdrs.UPGRADE in request.headers and not _of_the_same(origin, host):
            return False
        return any(self._sealed(value, host) for value in names.cookies(request.headers, names.COOKIE))

    def _sealed(self, value: str, host: str) -> bool:
        match = _COOKIE.fullmatch(value)
        if match is None or not self.now() < int(match["until"]) <= self.now() + LIFE_SECONDS + 1:
            return False
        seals = [_seal(token, host, match["until"]) for token in self.tokens.all()]
        return any(hmac.compare_digest(seal, match["seal"]) for seal in seals)

    async def _form(self, request: web.BaseRequest, host: str, sender: Sender) -> web.StreamResponse:
        if request.method != "POST":
            return self._ask(request, host, "/")
        fields = await _fields(request)
        back = safe(fields.get("to", "/"))
        said = fields.get("token", "").strip()
        if self.right(said):
            return self._welcome(host, said, back, sender)
        if wait := self.wrong.guess(sender.address):
            return pages.render(pages.too_many_tokens(wait), request.headers)
        return self._ask(request, host, back, again=True)

    def _welcome(self, host: str, token: str, back: str, sender: Sender) -> web.Response:
        until = str(int(self.now()) + LIFE_SECONDS)
        value = f"{until}.{_seal(token.encode('utf-8', 'surrogateescape'), host, until)}"
        answer = web.Response(status=303, headers={hdrs.LOCATION: back, hdrs.CACHE_CONTROL: "no-store"})
        answer.headers.update({hdrs.SERVER: "eph", names.ROBOTS: names.NO_ROBOTS, "Referrer-Policy": "no-referrer"})
        secure = sender.scheme == "https"
        answer.set_cookie(
            names.COOKIE, value, max_age=LIFE_SECONDS, path="/", httponly=True, samesite="Lax", secure=secure
        )
        return answer

    def _ask(self, request: web.BaseRequest, host: str, back: str, again: bool = False) -> web.Response:
        if not self.tokens.all():
            return pages.render(pages.no_token(), request.headers)
        answer = pages.render(pages.sign_in(again, safe(back)), request.headers, host)
        answer.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="preview"'
        return answer


def bearer(request: web.BaseRequest) -> str:
    kind, _, said = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return said.strip() if kind.lower() == "bearer" else ""


def safe(back: str) -> str:
    """A path of the same site; anything that a browser could take for another site becomes the first page."""
    plain = back.isascii() and back.isprintable() and "\\" not in back and len(back) <= 2048
    return back if plain and back.startswith("/") and not back.startswith(("//", PATH)) else "/"


async def _fields(request: web.BaseRequest) -> dict[str, str]:
    """Of a form, or of a JSON object; anything else, or anything large, has none."""
    if (request.content_length or 0) > MOST_FORM:
        return {}
    body = b""
    async for part in request.content.iter_any():
        body += part
        if len(body) > MOST_FORM:
            return {}
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text) if request.content_type == "application/json" else parse_qs(text, max_num_fields=8)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: str(value[0] if isinstance(value, list) and value else value) for key, value in found.items()}


def _of_the_same(origin: str, host: str) -> bool:
    try:
        asking = hosts.normalise(origin.partition("://")[2])
    except hosts.BadHost:
        return False
    return hosts.environment_host(asking) == hosts.environment_host(host)


def _seal(token: bytes, host: str, until: str) -> str:
    key = hmac.digest(token, b"eph preview cookie", "sha256")
    return hmac.new(key, f"{host}\n{until}".encode(), hashlib.sha256).hexdigest()
