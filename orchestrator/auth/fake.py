"""Tokens in memory, for tests and for a service without a database."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from orchestrator.auth.token_store import TokensUnavailable
from orchestrator.auth.tokens import Token


class MemoryTokens:
    """``available``: False simulates a database that is down."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()
        self.available = True

    def find(self, sha256: str) -> Token | None:
        return next((token for token in self.all() if token.sha256 == sha256), None)

    def add(self, token: Token) -> None:
        self._check()
        with self._lock:
            self._tokens[token.id] = token

    def all(self) -> list[Token]:
        self._check()
        with self._lock:
            return list(reversed(self._tokens.values()))

    def revoke(self, token_id: str, at: datetime, by: str) -> bool:
        self._check()
        with self._lock:
            token = self._tokens.get(token_id)
            if token is None or token.revoked_at is not None:
                return False
            self._tokens[token_id] = replace(token, revoked_at=at, revoked_by=by)
            return True

    def close(self) -> None:
        """Nothing to give back."""

    def _check(self) -> None:
        if not self.available:
            raise TokensUnavailable("The tokens can't be read: the database is down.")
