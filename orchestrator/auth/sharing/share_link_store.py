"""Where share links are kept, as a protocol. ``fake`` keeps them in memory, ``sql_share_links`` in the ledger's
database."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from orchestrator.auth.sharing.share_links import ShareLink


class ShareLinksUnavailable(Exception):
    """The share links can't be read or written right now; the message says where they are."""


class ShareLinkStore(Protocol):
    """Every method raises ShareLinksUnavailable: a failed read is never "no such link"."""

    def find(self, sha256: str) -> ShareLink | None: ...

    def add(self, link: ShareLink) -> None:
        """Also deletes links that ended long ago."""

    def all(self) -> list[ShareLink]:
        """The newest first, including those that ended recently."""

    def revoke(self, link_id: str, at: datetime, by: str) -> bool:
        """Whether there was such a link that hadn't been revoked."""

    def close(self) -> None: ...
