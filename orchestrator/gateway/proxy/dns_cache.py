"""Caches addresses of upstreams that have a name, such as a service of the cluster, including failed lookups: at most
one lookup per second, however many connections are opened.

The system's resolver uses a thread per lookup, and in a pod it sends six queries for one name. Without the cache, one
page of a preview whose service is gone would cause hundreds of queries.
"""

from __future__ import annotations

import asyncio
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

SECONDS = 1.0
MAX_NAMES = 10_000
LookupKey = tuple[str, int, socket.AddressFamily]


class DnsCache(AbstractResolver):
    """Used by both clients. Raises ``OSError`` for a name without addresses."""

    def __init__(self, resolver: AbstractResolver | None = None, seconds: float = SECONDS) -> None:
        self._resolver = resolver or ThreadedResolver()
        self._seconds = seconds
        self._cached: dict[LookupKey, tuple[float, asyncio.Task[list[ResolveResult]]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        name, now = (host, port, family), asyncio.get_running_loop().time()
        known = self._cached.get(name)
        if known is None or known[0] <= now:
            if len(self._cached) >= MAX_NAMES:
                self._cached.clear()
            known = self._cached[name] = (now + self._seconds, asyncio.create_task(self._resolver.resolve(*name)))
        return await asyncio.shield(known[1])  # a caller that is cancelled doesn't cancel it for the others

    async def close(self) -> None:
        await self._resolver.close()
