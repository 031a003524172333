"""Tokens, which identify a person or a service.

Only the SHA-256 of a token is stored. Tokens are long and random (256 bits), so a plain hash is enough: they can't be
guessed. A browser session of somebody who signed in at the identity provider is a token too, whose secret nobody knows:
so sessions expire, and are listed and revoked, like any other.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.auth.identities import Caller, Role

PREFIX = "eph_"
"""Lets secret scanners recognize a leaked token."""
SERVICE_PREFIX = "service:"
"""Distinguishes services from people in the audit trail."""


class TokenKind(StrEnum):
    SERVER = "server"
    """The file on the server's machine."""
    SESSION = "session"
    CLI = "cli"
    PERSON = "person"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Token:
    """``owner`` is the person or service, as in the audit trail. ``label`` says what it is for. ``repositories``: empty
    means all."""

    owner: str
    role: Role
    sha256: str
    kind: TokenKind = TokenKind.SERVER
    id: str = ""
    label: str = ""
    repositories: tuple[str, ...] = ()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str = ""
    groups: tuple[str, ...] = ()
    """A session's groups at the identity provider, for lists of people who may open a preview."""
    max_deploys: int = 0
    """The token creates no label deploy while its owner has this many; 0 means no limit."""

    @staticmethod
    def from_secret(secret: str, owner: str, role: Role) -> Token:
        return Token(owner, role, hash_token(secret))

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def caller(self) -> Caller:
        is_person = self.kind in (TokenKind.SESSION, TokenKind.CLI, TokenKind.PERSON)
        # A session can be renewed by signing in again, so it doesn't limit what is created with it.
        ends = None if self.kind is TokenKind.SESSION else self.expires_at
        person = self.owner if is_person else ""
        return Caller(self.owner, self.role, self.repositories, person, self.id, ends, self.max_deploys)


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def new_id() -> str:
    return secrets.token_hex(6)


def hash_token(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def find_token(tokens: Iterable[Token], sha256: str) -> Token | None:
    """Compares with every token, so that the time taken doesn't reveal which one was close."""
    found = [token for token in tokens if hmac.compare_digest(token.sha256.encode(), sha256.encode())]
    return found[0] if found else None
