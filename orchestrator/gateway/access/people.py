"""Sign-in of people at previews: ephd says who they are, and the route says who may come in (S5).

A browser without access is sent to ephd, which returns it with a grant. It counts only together with the cookie that
this gateway set before: nobody can be signed in by somebody else's link. The gateway then sets its own cookie on that
host. The app sees neither.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import hdrs, web

from orchestrator.auth import preview_grants
from orchestrator.auth.preview_grants import Visitor
from orchestrator.gateway import holding_pages
from orchestrator.gateway.proxy import headers as names
from orchestrator.gateway.proxy.headers import ClientInfo
from orchestrator.gateway.route_directory import file_version

STATE_SECONDS = 600
PASS_MARK = "p."  # noqa: S105 - not a secret
"""Distinguishes a person's cookie from one that was created with a token."""


class Admission(Enum):
    NONE = "none"
    """Nobody has signed in."""
    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    """A person has signed in who isn't on the preview's list."""


class KeyFile:
    """The key that ephd and the gateway share; the file is read again when it changes."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._cached: tuple[object, bytes] = (None, b"")

    def read(self) -> bytes:
        """Empty if there is none; then nobody is signed in."""
        seen = file_version(str(self._file)) if self._file else None
        if seen is None or self._file is None:
            return b""
        if seen != self._cached[0]:
            try:
                self._cached = (seen, self._file.read_bytes())
            except OSError:
                return b""
        return self._cached[1]


@dataclass(frozen=True, slots=True)
class PeopleGuard:
    """``url`` is the dashboard's; empty if people can't sign in."""

    url: str
    key: KeyFile
    now: Callable[[], float] = time.time

    @property
    def is_available(self) -> bool:
        return bool(self.url and self.key.read())

    def admission(self, request: web.BaseRequest, host: str, scheme: str, allow: Collection[str]) -> Admission:
        visitors = (
            self._visitor(value, host) for value in names.cookies(request.headers, names.sign_in_cookie(scheme))
        )
        known = [visitor for visitor in visitors if visitor is not None]
        if any(visitor.is_allowed(allow) for visitor in known):
            return Admission.ALLOWED
        return Admission.NOT_ALLOWED if known else Admission.NONE

    def redirect_to_sign_in(self, host: str, return_path: str, client_info: ClientInfo) -> web.Response:
        state = secrets.token_urlsafe(24)
        query = urlencode({"host": host, "to": return_path, "state": state})
        answer = _redirect(f"{self.url}/auth/preview?{query}")
        _set_cookie(answer, names.state_cookie(client_info.scheme), state, STATE_SECONDS, client_info)
        return answer

    def accept_grant(
        self, request: web.BaseRequest, host: str, return_path: str, client_info: ClientInfo
    ) -> web.Response | None:
        """None if the grant isn't valid here."""
        visitor = self._granted(request, host, client_info.scheme)
        if visitor is None:
            return None
        value = PASS_MARK + preview_grants.create_pass(self.key.read(), visitor, host, self.now())
        answer = _redirect(return_path)
        _set_cookie(answer, names.sign_in_cookie(client_info.scheme), value, preview_grants.PASS_SECONDS, client_info)
        answer.del_cookie(names.state_cookie(client_info.scheme), path="/")
        return answer

    def not_allowed(self, request: web.BaseRequest) -> web.Response:
        return holding_pages.render(holding_pages.not_on_the_list(), request.headers)

    def _granted(self, request: web.BaseRequest, host: str, scheme: str) -> Visitor | None:
        key, grant = self.key.read(), request.rel_url.query.get("grant", "")
        if not key:
            return None
        states = names.cookies(request.headers, names.state_cookie(scheme))
        found = (preview_grants.read_grant(key, grant, host, state, self.now()) for state in states)
        return next((visitor for visitor in found if visitor is not None), None)

    def _visitor(self, value: str, host: str) -> Visitor | None:
        key = self.key.read()
        if not key or not value.startswith(PASS_MARK):
            return None
        return preview_grants.read_pass(key, value.removeprefix(PASS_MARK), host, self.now())


def _redirect(url: str) -> web.Response:
    headers = {
        hdrs.LOCATION: url,
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.SERVER: "eph",
        names.ROBOTS_HEADER: names.NO_ROBOTS,
        "Referrer-Policy": "no-referrer",
    }
    return web.Response(status=303, headers=headers)


def _set_cookie(answer: web.Response, name: str, value: str, seconds: int, client_info: ClientInfo) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=client_info.scheme == "https",
    )
