"""Who may do what, and the limits: everything that ``create_app`` is told.

A token is known by its SHA-256 only. Tokens are long and random (256 bits), so a plain hash is enough: there is
nothing to guess.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path

from orchestrator.forges.registry import DEFAULT as DEFAULT_FORGE
from orchestrator.forges.webhooks import WebhookRequest
from orchestrator.surfaces.port import WebhookTestResult

WebhookHandler = Callable[[WebhookRequest], bool]
"""Whether the signature was good (and a cycle was triggered)."""


def webhook_path(forge: str) -> str:
    """Where a Git host sends its webhooks. ``forge`` is the adapter's name."""
    return f"/api/v1/webhooks/{forge}"


class Role(IntEnum):
    """Each may do what the ones before it may."""

    VIEWER = 1
    DEVELOPER = 2
    """Acts on single environments: up, down, extend, wake."""
    ADMIN = 3
    """Acts on the service: sweep, approve a held plan."""


@dataclass(frozen=True, slots=True)
class Token:
    """One caller. ``name`` is what the audit trail shows as the actor."""

    name: str
    role: Role
    sha256: str

    @staticmethod
    def from_secret(secret: str, name: str, role: Role) -> Token:
        return Token(name, role, hash_token(secret))


def hash_token(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """``session_key`` signs browser sessions: give the same one to all replicas and after a restart, or people sign
    in again. ``forge``: the Git host's adapter, whose webhooks are taken. ``webhook`` None: none are, and the Git host
    is read every interval."""

    version: str
    tokens: tuple[Token, ...] = ()
    public_reads: bool = False
    forge: str = DEFAULT_FORGE
    webhook: WebhookHandler | None = None
    webhook_test: Callable[[], Awaitable[WebhookTestResult]] | None = None
    session_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    session_ttl: timedelta = timedelta(hours=12)
    ready_within: timedelta = timedelta(seconds=120)
    """/readyz says no when the last cycle is older than this."""
    body_limit: int = 64 * 1024
    webhook_limit: int = 1024 * 1024
    """Git hosts send more, but what triggers a cycle is far smaller. A refused webhook costs latency only."""
    stream_limit: int = 100
    stream_poll: float = 1.0
    clock: Callable[[], datetime] = _utc_now


def local_token(home: Path) -> str:
    """The admin token of this machine, ``<home>/keys/api.token``, made when it is not there (0600). ``home`` is the
    folder that replicas share, where there are several."""
    path = home / "keys" / "api.token"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_token(path)
    with os.fdopen(handle, "w") as file:
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
    return token


def _read_token(path: Path) -> str:
    token = path.read_text().strip()
    if len(token) < 32:
        raise ValueError(f"{path} contains no token of at least 32 characters. Delete the file and restart ephd.")
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return token
