"""Bounds open requests, so that neither one client nor one environment can use up the gateway.

A client and an environment each get a quarter of all places, and an eighth is reserved for Eph's own hosts. What a
client has open at previews doesn't keep it from Eph. ephd's health checks come from loopback, where previews may run,
too: each environment counts as a client of its own there, so a preview that hangs delays only its own health check.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from orchestrator.auth.client_networks import client_network
from orchestrator.gateway.access.guess_limiter import is_loopback


class OpenRequests:
    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._for_previews = maximum - maximum // 8
        self._share = max(1, maximum // 4)
        self._by_client: Counter[tuple[str, str]] = Counter()
        self._by_environment: Counter[str] = Counter()
        self.total = 0

    @contextlib.contextmanager
    def admit(self, address: str, environment: str) -> Iterator[bool]:
        """Holds a place while the block lasts; yields False if there is none. ``environment``: the host of its first
        service, or empty for Eph's own hosts."""
        client = _client(address, environment)
        if not self._has_place(client, environment):
            yield False
            return
        self._count(client, environment, 1)
        try:
            yield True
        finally:
            self._count(client, environment, -1)

    def _has_place(self, client: tuple[str, str], environment: str) -> bool:
        if self.total >= self._maximum or self._by_client[client] >= self._share:
            return False
        if not environment:
            return True
        return self.total - self._by_environment[""] < self._for_previews and (
            self._by_environment[environment] < self._share
        )

    def _count(self, client: tuple[str, str], environment: str, change: int) -> None:
        self.total += change
        self._by_client[client] += change
        self._by_environment[environment] += change
        if not self._by_client[client]:
            del self._by_client[client]
        if not self._by_environment[environment]:
            del self._by_environment[environment]


def _client(address: str, environment: str) -> tuple[str, str]:
    if is_loopback(address):
        return address, environment
    return client_network(address), "previews" if environment else ""
