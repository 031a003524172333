"""Share links as data, and the hashing of their passwords.

Only the SHA-256 of a link's secret is stored, as for tokens. A password is chosen by a person and can be guessed, so it
is hashed slowly, with scrypt and a salt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

PREFIX = "eph_share_"
"""Lets secret scanners recognize a leaked link."""
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class ShareLink:
    """``environment`` is the stack as ``project/stack``. ``host`` is the only one that the link opens."""

    id: str
    sha256: str
    environment: str
    name: str
    host: str
    repository: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    password_hash: str = ""
    """Empty: the link needs no password."""
    revoked_at: datetime | None = None
    revoked_by: str = ""

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def accepts(self, password: str) -> bool:
        return not self.password_hash or _matches(password, self.password_hash)


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """Empty for no password."""
    if not password:
        return ""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{_encode(salt)}.{_encode(_scrypt(password, salt))}"


def _matches(password: str, stored: str) -> bool:
    salt, _, expected = stored.partition(".")
    found = _scrypt(password, base64.b64decode(salt))
    return hmac.compare_digest(_encode(found), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogateescape"), salt=salt, n=2**14, r=8, p=1)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
