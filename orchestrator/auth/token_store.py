"""Where tokens are kept, as a protocol. ``fake`` keeps them in memory, ``sql_tokens`` in the ledger's database."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from orchestrator.auth.tokens import Token


class TokensUnavailable(Exception):
    """The tokens can't be read or written right now; the message says where they are."""


class TokenStore(Protocol):
    """Every method raises TokensUnavailable: a failed read is never "no such token"."""

    def find(self, sha256: str) -> Token | None: ...

    def add(self, token: Token) -> None:
        """Also deletes tokens that ended long ago."""

    def all(self) -> list[Token]:
        """The newest first, including those that ended recently."""

    def revoke(self, token_id: str, at: datetime, by: str) -> bool:
        """Whether there was such a token that hadn't been revoked."""

    def close(self) -> None: ...
