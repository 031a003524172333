"""Credentials of a registry that expire: fetched when they are first needed, and renewed before they expire."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orchestrator.images.errors import RegistryUnavailable

RENEW_AFTER = 0.8
"""The share of their lifetime after which credentials are renewed."""


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """``lifetime`` is in seconds."""

    user: str
    password: str
    lifetime: float


class CredentialHelper(Protocol):
    def fetch(self, registry: str) -> IssuedCredentials:
        """Blocking. Raises ``RegistryRefused`` if someone must change something, and ``RegistryUnavailable`` if it may
        work later."""


class RenewedCredentials:
    """One registry's. ``now`` is a monotonic clock in seconds. Thread-safe."""

    def __init__(self, helper: CredentialHelper, registry: str, now: Callable[[], float] = time.monotonic) -> None:
        self._helper, self._registry, self._now = helper, registry, now
        self._lock = threading.Lock()
        self._basic, self._renew_at, self._expires_at = "", 0.0, 0.0

    def basic(self) -> str:
        """Base64 of user and password. If they can't be renewed right now, they are used until they expire."""
        with self._lock:
            if not self._basic or self._now() >= self._renew_at:
                self._renew()
            return self._basic

    def _renew(self) -> None:
        try:
            issued = self._helper.fetch(self._registry)
        except RegistryUnavailable:
            if self._basic and self._now() < self._expires_at:
                return
            raise
        self._basic = base64.b64encode(f"{issued.user}:{issued.password}".encode()).decode()
        self._renew_at = self._now() + issued.lifetime * RENEW_AFTER
        self._expires_at = self._now() + issued.lifetime
