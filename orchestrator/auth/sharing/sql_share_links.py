"""Share links in the ledger's database. Losing it loses links, never an environment."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from orchestrator.auth import wording
from orchestrator.auth.sharing.share_link_store import ShareLinksUnavailable
from orchestrator.auth.sharing.share_links import ShareLink
from orchestrator.ledger.sql_store import SqlStore
from orchestrator.ledger.tables import SHARE_LINKS, format_time

KEEP_ENDED = timedelta(days=30)
"""How long the row of a link is kept after it expired."""
MAX_LISTED = 1000


class SqlShareLinks:
    """``url`` is parsed by ``database_engine.parse``."""

    def __init__(self, url: str) -> None:
        self._store = SqlStore(
            url, lambda where, problem: ShareLinksUnavailable(wording.links_unavailable(where, problem))
        )

    def find(self, sha256: str) -> ShareLink | None:
        query = sa.select(SHARE_LINKS).where(SHARE_LINKS.c.sha256 == sha256)
        with self._store.transaction() as connection:
            row = connection.execute(query).mappings().first()
        return _from_row(row) if row else None

    def add(self, link: ShareLink) -> None:
        old = format_time(link.created_at - KEEP_ENDED)
        with self._store.transaction() as connection:
            connection.execute(sa.delete(SHARE_LINKS).where(SHARE_LINKS.c.expires_at < old))
            connection.execute(sa.insert(SHARE_LINKS), _to_row(link))

    def all(self) -> list[ShareLink]:
        query = sa.select(SHARE_LINKS).order_by(SHARE_LINKS.c.created_at.desc(), SHARE_LINKS.c.id).limit(MAX_LISTED)
        with self._store.transaction() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def revoke(self, link_id: str, at: datetime, by: str) -> bool:
        change = (
            sa.update(SHARE_LINKS)
            .where(SHARE_LINKS.c.id == link_id, SHARE_LINKS.c.revoked_at == "")
            .values(revoked_at=format_time(at), revoked_by=by[:256])
        )
        with self._store.transaction() as connection:
            return connection.execute(change).rowcount == 1

    def close(self) -> None:
        self._store.close()


def _to_row(link: ShareLink) -> dict[str, str]:
    return {
        "id": link.id,
        "sha256": link.sha256,
        "environment": link.environment,
        "name": link.name,
        "host": link.host,
        "repository": link.repository,
        "created_by": link.created_by[:256],
        "created_at": format_time(link.created_at),
        "expires_at": format_time(link.expires_at),
        "password_hash": link.password_hash,
        "revoked_at": format_time(link.revoked_at) if link.revoked_at else "",
        "revoked_by": link.revoked_by,
    }


def _from_row(row: sa.RowMapping) -> ShareLink:
    return ShareLink(
        id=row["id"],
        sha256=row["sha256"],
        environment=row["environment"],
        name=row["name"],
        host=row["host"],
        repository=row["repository"],
        created_by=row["created_by"],
        created_at=datetime.fromisoformat(row["created_at"]),
        expires_at=datetime.fromisoformat(row["expires_at"]),
        password_hash=row["password_hash"],
        revoked_at=datetime.fromisoformat(row["revoked_at"]) if row["revoked_at"] else None,
        revoked_by=row["revoked_by"],
    )
