"""Whether an environment answers, asked the way people ask.

What stands in front of the gateway may answer for itself, with a redirect or a page of its own: that is no answer of
the environment. The gateway's answers are told by the header that each of them has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from orchestrator.config.server_keys import InvalidKey
from orchestrator.gateway.proxy.headers import NO_ROBOTS, ROBOTS_HEADER, TOKEN_HEADER

PROBE_TIMEOUT = 5.0
MAX_CONCURRENT_PROBES = 64
"""More than that wait their turn: with a thousand in its queue the client's pool works on nothing but its queue."""


class GatewayProbe:
    """Asks an environment's URL the way people do: through the gateway, by host name, signed in where that is asked.

    ``way`` is the URL of the gateway, or of what stands in front of it. ``token`` is read each time, because an
    operator may change it.
    """

    def __init__(self, url: str, token: Callable[[], str] = str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_PROBES)
        # No limit on waiting for a connection: with many environments that would be read as an unhealthy one.
        timeout = httpx.Timeout(PROBE_TIMEOUT, pool=None)
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False)

    async def __call__(self, host: str, path: str) -> tuple[bool, str]:
        headers = {"Host": host, "User-Agent": "eph-health", "X-Eph-Probe": "1"}
        try:
            if token := self._token():
                headers[TOKEN_HEADER] = token
            # The status is enough: a body without an end must neither hold the prober nor fill the memory.
            url, name = f"{self._url}{path}", {"sni_hostname": host.partition(":")[0]}  # with TLS, as people say it
            async with self._slots, self._client.stream("GET", url, headers=headers, extensions=name) as answer:
                status, ours = answer.status_code, answer.headers.get(ROBOTS_HEADER) == NO_ROBOTS
        except (OSError, InvalidKey) as error:
            return False, f"can't read the preview token ({error})"
        except httpx.HTTPError as error:
            return False, f"{path} did not respond ({type(error).__name__})"
        if not ours:
            return False, f"{path} at {self._url} returned {status}, and it wasn't Eph's gateway"
        return 200 <= status < 400, f"{path} answered {status}"

    async def close(self) -> None:
        await self._client.aclose()
