"""Checks whether an environment responds, in the same way as people reach it.

A proxy in front of the gateway may respond itself, with a redirect or its own page, which isn't a response from the
environment. The gateway's responses are recognized by a header that each of them has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from orchestrator.config.server_keys import InvalidKey
from orchestrator.gateway import wording
from orchestrator.gateway.proxy.headers import NO_ROBOTS, ROBOTS_HEADER, TOKEN_HEADER
from programs.kit import redirects

PROBE_TIMEOUT = 5.0
MAX_CONCURRENT_PROBES = 64
"""The maximum number of concurrent checks: with a thousand in its queue, the client's pool is busy with the queue."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308) and bool(self.location)


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

    async def __call__(self, origin: str, path: str) -> tuple[bool, str]:
        """``origin`` is where people reach the environment. A redirect counts only if it stays within the environment
        and ends in a 2xx response."""
        behind_tls = origin.startswith("https:") and not self._url.startswith("https:")
        url, way = f"{origin}{path}", path
        for _ in range(redirects.MAX_REDIRECTS + 1):
            answer = await self._request(urlsplit(url).netloc, redirects.request_path(url))
            if isinstance(answer, str):
                return False, answer
            if not answer.is_redirect:
                return 200 <= answer.status < 300, wording.returned(way, answer.status)
            found = redirects.target(url, answer.location)
            if not found or not redirects.stays_within(origin, found, behind_tls=behind_tls):
                return False, wording.redirects_outside(way, redirects.shown(found or answer.location))
            if behind_tls and found == url:  # to the URL that people use; only this check came without TLS
                return True, wording.returned(way, answer.status)
            url, way = found, wording.redirected(path, redirects.shown(redirects.request_path(found)))
        return False, wording.too_many_redirects(path, redirects.MAX_REDIRECTS)

    async def _request(self, host: str, path: str) -> _Answer | str:
        """The environment's response, or why there is none."""
        headers = {"Host": host, "User-Agent": "eph-health", "X-Eph-Probe": "1"}
        try:
            if token := self._token(host.partition(":")[0]):
                headers[TOKEN_HEADER] = token
            # The status is enough: an endless body must neither block the prober nor fill the memory.
            url, name = f"{self._url}{path}", {"sni_hostname": host.partition(":")[0]}  # with TLS, like a visitor
            async with self._slots, self._client.stream("GET", url, headers=headers, extensions=name) as answer:
                ours = answer.headers.get(ROBOTS_HEADER) == NO_ROBOTS
                found = _Answer(answer.status_code, answer.headers.get("Location", ""))
        except (OSError, InvalidKey) as error:
            return wording.preview_token_unreadable(error)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return wording.no_response(path, type(error).__name__)
        return found if ours else wording.not_the_gateway(path, self._url, found.status)

    async def close(self) -> None:
        await self._client.aclose()
