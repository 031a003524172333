"""Share links in memory, for tests and for a service without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orchestrator.auth.sharing.share_link_store import ShareLinksUnavailable
from orchestrator.auth.sharing.share_links import ShareLink


class MemoryShareLinks:
    """``available``: False simulates a database that is down."""

    def __init__(self) -> None:
        self._links: dict[str, ShareLink] = {}
        self.available = True

    def find(self, sha256: str) -> ShareLink | None:
        return next((link for link in self.all() if link.sha256 == sha256), None)

    def add(self, link: ShareLink) -> None:
        self._check()
        self._links[link.id] = link

    def all(self) -> list[ShareLink]:
        self._check()
        return sorted(self._links.values(), key=lambda link: link.created_at, reverse=True)

    def revoke(self, link_id: str, at: datetime, by: str) -> bool:
        self._check()
        link = self._links.get(link_id)
        if link is None or link.revoked_at is not None:
            return False
        self._links[link_id] = replace(link, revoked_at=at, revoked_by=by)
        return True

    def close(self) -> None:
        """Nothing to give back."""

    def _check(self) -> None:
        if not self.available:
            raise ShareLinksUnavailable("The share links can't be read: the database is down.")
