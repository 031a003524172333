"""A fast client for the most frequent requests to previews: plain ``GET`` without body or TLS.

aiohttp's client does a lot that a proxy doesn't need: redirects, cookies, sessions, traces, building a URL and merging
headers for each request. Here one request is written to a kept-alive connection, and aiohttp's own protocol with its C
parser and flow control reads the response. All other requests, and errors that don't occur with aiohttp's client, are
left to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Mapping

from aiohttp import (
    ClientConnectionError,
    ClientOSError,
    ClientPayloadError,
    ServerDisconnectedError,
    ServerTimeoutError,
    StreamReader,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import is_ip_address
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from orchestrator.gateway import wording
from orchestrator.gateway.proxy.dns_cache import DnsCache
from orchestrator.gateway.proxy.environment_sockets import FULL_QUEUE_SECONDS, EnvironmentSockets, environment_of

CONNECT_SECONDS = 5.0
# Shorter than common servers' keep-alive timeouts, so we rarely write to a connection that is being closed.
IDLE_SECONDS = 1.5
MAX_HEADER = 32 * 1024
Endpoint = tuple[str, int]


class ConnectionRefused(ClientConnectionError):
    """Nothing accepts connections there, and nothing was sent."""


class UpstreamResponse:
    """The head of a response, and its body as a stream."""

    __slots__ = ("_connection", "_done", "_endpoint", "_pool", "content", "headers", "reason", "status")

    def __init__(self, pool: UpstreamPool, endpoint: Endpoint, connection: ResponseHandler) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._connection = connection
        self._done = False
        self.status = 0
        self.reason = ""
        self.headers: CIMultiDictProxy[str]
        self.content: StreamReader

    async def start(self) -> UpstreamResponse:
        """Raises the same errors as aiohttp's client."""
        while True:
            try:
                message, content = await self._connection.read()
            except HttpProcessingError as error:
                raise ClientPayloadError(str(error)) from error
            if message.code >= 200:
                break
            if message.code == 101:
                raise ClientPayloadError(wording.UNREQUESTED_UPGRADE)
        self.status, self.reason, self.headers, self.content = message.code, message.reason, message.headers, content
        content.on_eof(self._complete)
        return self

    def _complete(self) -> None:
        if not self._done:
            self._done = True
            self._pool.release(self._endpoint, self._connection)

    def close(self) -> None:
        """Does nothing after a complete response; otherwise the connection can't be reused."""
        if not self._done:
            self._done = True
            self._connection.close()


class UpstreamPool:
    """Kept-alive connections by upstream. One that was idle for ``idle_seconds`` is closed."""

    def __init__(
        self,
        dns: DnsCache | None = None,
        idle_seconds: float = IDLE_SECONDS,
        environments: EnvironmentSockets | None = None,
    ) -> None:
        self.idle_seconds = idle_seconds
        self._environments = environments
        self._dns = dns or DnsCache()
        self._idle: dict[Endpoint, deque[tuple[float, ResponseHandler]]] = {}
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def get(self, endpoint: Endpoint, path: str, headers: CIMultiDict[str]) -> UpstreamResponse:
        """``path`` includes the query, unchanged."""
        head = _request_head(path, headers)
        kept = self._take_idle(endpoint)
        if kept is not None:
            with contextlib.suppress(ServerDisconnectedError, ClientOSError):  # it was closed at this very moment
                return await self._send(endpoint, kept, head)
        return await self._send(endpoint, await self._connect(endpoint), head)

    async def _send(self, endpoint: Endpoint, connection: ResponseHandler, head: bytes) -> UpstreamResponse:
        answer = UpstreamResponse(self, endpoint, connection)
        try:
            connection.set_response_params(
                read_until_eof=True, auto_decompress=False, max_line_size=MAX_HEADER, max_field_size=MAX_HEADER
            )
            if connection.transport is None:
                raise ServerDisconnectedError
            connection.transport.write(head)
            return await answer.start()
        except BaseException:
            answer.close()
            raise

    def release(self, endpoint: Endpoint, connection: ResponseHandler) -> None:
        if self._closed or connection.should_close or not connection.is_connected():
            connection.close()
            return
        loop = asyncio.get_running_loop()
        self._idle.setdefault(endpoint, deque()).append((loop.time(), connection))
        if self._sweep_timer is None:
            self._sweep_timer = loop.call_later(self.idle_seconds, self._close_idle)

    def close(self) -> None:
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for kept in self._idle.values():
            for _, line in kept:
                line.close()
        self._idle.clear()

    def _take_idle(self, endpoint: Endpoint) -> ResponseHandler | None:
        """The most recently used one, so that the others age and are closed."""
        kept = self._idle.get(endpoint)
        now = asyncio.get_running_loop().time()
        while kept:
            since, line = kept.pop()
            if line.is_connected() and not line.should_close and now - since < self.idle_seconds:
                return line
            line.close()
        return None

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self.idle_seconds
        for place, kept in [*self._idle.items()]:
            while kept and kept[0][0] <= oldest:
                kept.popleft()[1].close()
            if not kept:
                del self._idle[place]
        self._sweep_timer = loop.call_later(self.idle_seconds, self._close_idle) if self._idle else None

    async def _connect(self, endpoint: Endpoint) -> ResponseHandler:
        loop = asyncio.get_running_loop()
        environment = environment_of(endpoint[0]) if self._environments else ""
        try:
            async with asyncio.timeout(FULL_QUEUE_SECONDS if environment else CONNECT_SECONDS):
                if self._environments and environment:
                    made = await self._environments.connect(environment, endpoint[1])
                    return (await loop.create_connection(lambda: ResponseHandler(loop), sock=made))[1]
                return await _connect_first(loop, await self._addresses(endpoint))
        except TimeoutError as error:
            raise ServerTimeoutError(wording.connection_timed_out(endpoint[0], endpoint[1])) from error
        except OSError as error:
            raise ConnectionRefused(str(error)) from error

    async def _addresses(self, endpoint: Endpoint) -> list[Endpoint]:
        host, port = endpoint
        if is_ip_address(host):
            return [endpoint]
        return [(found["host"], port) for found in await self._dns.resolve(host, port, socket.AF_UNSPEC)]


async def _connect_first(loop: asyncio.AbstractEventLoop, endpoints: list[Endpoint]) -> ResponseHandler:
    """The first address that accepts the connection, or the last one's error."""
    for place in endpoints[:-1]:
        with contextlib.suppress(OSError):
            return (await loop.create_connection(lambda: ResponseHandler(loop), *place))[1]
    return (await loop.create_connection(lambda: ResponseHandler(loop), *endpoints[-1]))[1]


def _request_head(path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items()), "", ""]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ClientPayloadError(wording.LINE_BREAK_IN_HEADER)
    return head.encode()
