"""Visitors with a share link (P12): ephd checks the link and sends the browser here with a grant, which becomes a
cookie of this host alone. The cookie counts only while the link is in the file of valid links, so a revoked link closes
the preview with the next request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from orchestrator.auth import preview_grants
from orchestrator.auth.sharing import published_links
from orchestrator.config import file_names
from orchestrator.gateway.access import people
from orchestrator.gateway.access.people import KeyFile
from orchestrator.gateway.proxy import headers as names
from orchestrator.gateway.proxy.headers import ClientInfo
from orchestrator.gateway.route_directory import file_version

SHARE_MARK = "s."
"""Distinguishes a share link's cookie from others."""


@dataclass(slots=True)
class ValidLinks:
    """The file of valid links, which is read again when it changes. Without it, no link is valid."""

    file: Path | None
    _cached: tuple[object, dict[str, tuple[str, int]]] = field(default=(None, {}))

    def until(self, link_id: str, host: str) -> int:
        """When the link's access to the host ends; 0 if it has none."""
        seen = file_version(str(self.file)) if self.file else None
        if seen is None or self.file is None:
            return 0
        if seen != self._cached[0]:
            self._cached = (seen, published_links.read(self.file))
        found, until = self._cached[1].get(link_id, ("", 0))
        return until if found == host else 0


class ShareGuard:
    def __init__(self, key: KeyFile, directory: Path | None, now: Callable[[], float] = time.time) -> None:
        self._key, self._now = key, now
        self._links = ValidLinks(directory / file_names.SHARE_LINKS if directory else None)

    def is_open(self, request: web.BaseRequest, host: str, scheme: str) -> bool:
        values = names.cookies(request.headers, names.sign_in_cookie(scheme))
        return any(self._is_valid(value, host) for value in values)

    def accept_grant(self, request: web.BaseRequest, host: str, client_info: ClientInfo) -> web.Response | None:
        """None if the grant isn't valid here."""
        key, now = self._key.read(), self._now()
        grant = request.rel_url.query.get("share", "")
        link_id = preview_grants.read_share_grant(key, grant, host, now) if key else ""
        until = self._links.until(link_id, host)
        if now >= until:
            return None
        value = SHARE_MARK + preview_grants.create_share_pass(key, link_id, host, until)
        answer = people.redirect("/")
        people.set_cookie(answer, names.sign_in_cookie(client_info.scheme), value, int(until - now), client_info)
        return answer

    def _is_valid(self, value: str, host: str) -> bool:
        key, now = self._key.read(), self._now()
        if not key or not value.startswith(SHARE_MARK):
            return False
        link_id = preview_grants.read_share_pass(key, value.removeprefix(SHARE_MARK), host, now)
        return bool(link_id) and now < self._links.until(link_id, host)
