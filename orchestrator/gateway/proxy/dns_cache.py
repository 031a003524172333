"""Addresses of upstreams that are called by a name, as a service of the cluster is: looked up at most once in a second,
however many connections are made, and whether or not the answer is that there is none.

The system's resolver takes a thread for each question, and in a pod it asks six times for one name. Without this a page
of a preview whose service is gone would be hundreds of questions.
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
    """For both ways to upstreams. Raises ``OSError`` for a name that leads nowhere."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()
        self._cached: dict[LookupKey, tuple[float, asyncio.Task[list[ResolveResult]]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        name, now = (host, port, family), asyncio.get_running_loop().time()
        known = self._cached.get(name)
        if known is None or known[0] <= now:
            if len(self._cached) >= MAX_NAMES:
                self._cached.clear()
            known = self._cached[name] = (now + SECONDS, asyncio.create_task(self._resolver.resolve(*name)))
        return await asyncio.shield(known[1])  # who gives up does not take it from the others

    async def close(self) -> None:
        await self._resolver.close()
