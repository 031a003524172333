"""Bounds open requests, so that neither one client nor one preview can use up the gateway.

A client and a host each get a quarter of all places, and an eighth is reserved for Eph's own hosts.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from orchestrator.gateway.access.guess_limiter import client_network


class OpenRequests:
    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._for_previews = maximum - maximum // 8
        self._share = max(1, maximum // 4)
        self._by_client: Counter[str] = Counter()
        self._by_host: Counter[str] = Counter()
        self.total = 0
        self._previews = 0

    @contextlib.contextmanager
    def admit(self, address: str, host: str, is_preview: bool) -> Iterator[bool]:
        """Holds a place while the block lasts; yields False if there is none."""
        client = client_network(address)
        if not self._has_place(client, host, is_preview):
            yield False
            return
        self._count(client, host, is_preview, 1)
        try:
            yield True
        finally:
            self._count(client, host, is_preview, -1)

    def _has_place(self, client: str, host: str, is_preview: bool) -> bool:
        if self.total >= self._maximum or self._by_client[client] >= self._share:
            return False
        return not is_preview or (self._previews < self._for_previews and self._by_host[host] < self._share)

    def _count(self, client: str, host: str, is_preview: bool, change: int) -> None:
        self.total += change
        self._previews += change if is_preview else 0
        for counter, key in ((self._by_client, client), (self._by_host, host)):
            counter[key] += change
            if not counter[key]:
                del counter[key]
