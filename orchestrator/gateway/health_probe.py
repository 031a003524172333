"""Checks whether an environment responds, in the same way as people reach it.

A proxy in front of the gateway may respond itself, with a redirect or its own page, which isn't a response from the
environment. The gateway's responses are recognized by a header that each of them has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from orchestrator.config.server_keys import InvalidKey
from orchestrator.gateway.proxy.headers import NO_ROBOTS, ROBOTS_HEADER, TOKEN_HEADER

PROBE_TIMEOUT = 5.0
MAX_CONCURRENT_PROBES = 64
"""The maximum number of concurrent checks: with a thousand in its queue, the client's pool is busy with the queue."""


class GatewayProbe:
    """Requests an environment's URL like a visitor: through the gateway, by host name, with the preview token if
    required. ``url`` is that of the gateway or of a proxy in front of it. ``token`` returns the token for a host; it is
    called each time, because an operator may change it."""

    def __init__(self, url: str, token: Callable[[str], str] = lambda _: "") -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_PROBES)
        # No timeout for getting a connection: with many environments it would be mistaken for an unhealthy one.
        timeout = httpx.Timeout(PROBE_TIMEOUT, pool=None)
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False)

    async def __call__(self, host: str, path: str) -> tuple[bool, str]:
        headers = {"Host": host, "User-Agent": "eph-health", "X-Eph-Probe": "1"}
        try:
            if token := self._token(host.partition(":")[0]):
                headers[TOKEN_HEADER] = token
            # The status is enough: an endless body must neither block the prober nor fill the memory.
            url, name = f"{self._url}{path}", {"sni_hostname": host.partition(":")[0]}  # with TLS, like a visitor
            async with self._slots, self._client.stream("GET", url, headers=headers, extensions=name) as answer:
                status, ours = answer.status_code, answer.headers.get(ROBOTS_HEADER) == NO_ROBOTS
        except (OSError, InvalidKey) as error:
            return False, f"can't read the preview token ({error})"
        except httpx.HTTPError as error:
            return False, f"{path} didn't respond ({type(error).__name__})"
        if not ours:
            return False, f"{path} at {self._url} returned {status}, and it wasn't Eph's gateway"
        return 200 <= status < 400, f"{path} returned {status}"

    async def close(self) -> None:
        await self._client.aclose()
