"""Tokens in the ledger's database. Losing it loses tokens, never an environment; the token file on the server's machine
keeps working."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import sqlalchemy as sa

from orchestrator.auth import wording
from orchestrator.auth.identities import Role
from orchestrator.auth.token_store import TokensUnavailable
from orchestrator.auth.tokens import Token, TokenKind
from orchestrator.ledger.sql_store import SqlStore
from orchestrator.ledger.tables import TOKENS, format_time

KEEP_ENDED = timedelta(days=30)
"""How long a token is listed after it expired."""
MAX_LISTED = 1000


class SqlTokens:
    """``url`` is parsed by ``database_engine.parse``."""

    def __init__(self, url: str) -> None:
        self._store = SqlStore(
            url, lambda where, problem: TokensUnavailable(wording.tokens_unavailable(where, problem))
        )

    def find(self, sha256: str) -> Token | None:
        with self._store.transaction() as connection:
            row = connection.execute(sa.select(TOKENS).where(TOKENS.c.sha256 == sha256)).mappings().first()
        return _from_row(row) if row else None

    def add(self, token: Token) -> None:
        if token.created_at is None:
            raise ValueError("the local token isn't stored")
        old = format_time(token.created_at - KEEP_ENDED)
        with self._store.transaction() as connection:
            connection.execute(sa.delete(TOKENS).where(TOKENS.c.expires_at != "", TOKENS.c.expires_at < old))
            connection.execute(sa.insert(TOKENS), _to_row(token))

    def all(self) -> list[Token]:
        query = sa.select(TOKENS).order_by(TOKENS.c.created_at.desc(), TOKENS.c.id).limit(MAX_LISTED)
        with self._store.transaction() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def revoke(self, token_id: str, at: datetime, by: str) -> bool:
        change = (
            sa.update(TOKENS)
            .where(TOKENS.c.id == token_id, TOKENS.c.revoked_at == "")
            .values(revoked_at=format_time(at), revoked_by=by[:256])
        )
        with self._store.transaction() as connection:
            return connection.execute(change).rowcount == 1

    def close(self) -> None:
        self._store.close()


def _to_row(token: Token) -> dict[str, str | int]:
    return {
        "id": token.id,
        "sha256": token.sha256,
        "kind": token.kind.value,
        "owner": token.owner,
        "label": token.label,
        "role": token.role.name.lower(),
        "repositories": json.dumps(token.repositories),
        "created_at": _text(token.created_at),
        "expires_at": _text(token.expires_at),
        "revoked_at": _text(token.revoked_at),
        "revoked_by": token.revoked_by,
        "groups": json.dumps(token.groups),
        "max_deploys": token.max_deploys,
    }


def _from_row(row: sa.RowMapping) -> Token:
    return Token(
        owner=row["owner"],
        role=Role[row["role"].upper()],
        sha256=row["sha256"],
        kind=TokenKind(row["kind"]),
        id=row["id"],
        label=row["label"],
        repositories=tuple(json.loads(row["repositories"])),
        created_at=_time(row["created_at"]),
        expires_at=_time(row["expires_at"]),
        revoked_at=_time(row["revoked_at"]),
        revoked_by=row["revoked_by"],
        groups=tuple(json.loads(row["groups"])),
        max_deploys=row["max_deploys"],
    )


def _text(at: datetime | None) -> str:
    return format_time(at) if at else ""


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
