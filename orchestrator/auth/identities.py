"""Callers, their roles, and the tokens that identify them.

Only the SHA-256 of a token is stored. Tokens are long and random (256 bits), so a plain hash is enough: they can't be
guessed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """Each role includes the ones before it."""

    VIEWER = 1
    DEVELOPER = 2
    """Acts on single environments: up, down, extend, wake."""
    ADMIN = 3
    """Acts on the service: sweep, approve a held plan."""


@dataclass(frozen=True, slots=True)
class Token:
    """One caller's token. The audit trail shows ``name`` as the actor."""

    name: str
    role: Role
    sha256: str

    @staticmethod
    def from_secret(secret: str, name: str, role: Role) -> Token:
        return Token(name, role, hash_token(secret))


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    role: Role | None

    def may(self, role: Role) -> bool:
        return self.role is not None and self.role >= role


ANONYMOUS = Caller("anonymous", None)


def hash_token(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def find_token(tokens: Iterable[Token], sha256: str) -> Token | None:
    """Compares with every token, so that the time taken doesn't reveal which one was close."""
    found = [token for token in tokens if hmac.compare_digest(token.sha256.encode(), sha256.encode())]
    return found[0] if found else None
