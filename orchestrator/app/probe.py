"""Whether an environment answers, asked the way people ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from orchestrator.config.keys import BadKey
from orchestrator.gateway.headers import TOKEN

SECONDS = 5.0
AT_ONCE = 64
"""More than that wait their turn: with a thousand in its queue the client's pool works on nothing but its queue."""


class GatewayProbe:
    """Asks an environment's URL the way people do: through the gateway, by host name, signed in where that is asked.

    ``token`` is read each time, because an operator may change it.
    """

    def __init__(self, gateway: str, token: Callable[[], str] = str) -> None:
        self._gateway = gateway
        self._token = token
        self._slots = asyncio.Semaphore(AT_ONCE)
        # No limit on waiting for a connection: with many environments that would be read as an unhealthy one.
        timeout = httpx.Timeout(SECONDS, pool=None)
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False)

    async def __call__(self, host: str, path: str) -> tuple[bool, str]:
        headers = {"Host": host, "User-Agent": "eph-health", "X-Eph-Probe": "1"}
        try:
            if token := self._token():
                headers[TOKEN] = token
            # The status is enough: a body without an end must neither hold the prober nor fill the memory.
            url = f"http://{self._gateway}{path}"
            async with self._slots, self._client.stream("GET", url, headers=headers) as answer:
                status = answer.status_code
        except (OSError, BadKey) as error:
            return False, f"the preview token cannot be read ({error})"
        except httpx.HTTPError as error:
            return False, f"{path} gave no answer ({type(error).__name__})"
        return 200 <= status < 400, f"{path} answered {status}"

    async def close(self) -> None:
        await self._client.aclose()
