"""HTTP through the gateway: nothing is collected on the way, in neither direction.

Plain requests take the short way of ``lines``, all others aiohttp's client; both give the same answers and errors.

An upstream that refuses is tried again for a second, its route looked up anew each time: a service that is being
restarted, perhaps at another port, is not seen as an outage. Nothing was sent by then, so every method may be tried
again. A connection that ends before the first byte of an answer is tried once more only for requests that may be
repeated. An answer that breaks off is broken off for the client, too: it must not look whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    HttpVersion11,
    ServerDisconnectedError,
    ServerTimeoutError,
    StreamReader,
    TCPConnector,
    hdrs,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from orchestrator.gateway.proxy.dns_cache import DnsCache
from orchestrator.gateway.proxy.headers import ClientInfo, request_headers, response_headers
from orchestrator.gateway.proxy.upstream_pool import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    MAX_HEADER,
    ConnectionRefused,
    UpstreamPool,
    UpstreamResponse,
)

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSED_RETRY_DELAYS = (0.05,) * 20
FindUpstream = Callable[[], URL | None]
T = TypeVar("T")


class UpstreamUnavailable(Exception):
    """The upstream gave no answer; the message says how, in words for the page."""


@dataclass(frozen=True, slots=True)
class UpstreamClient:
    """Two ways to the upstreams: the short one for what is plain, aiohttp's for all else."""

    session: ClientSession
    pool: UpstreamPool


@contextlib.asynccontextmanager
async def open_client() -> AsyncIterator[UpstreamClient]:
    lookups = DnsCache()
    lines = UpstreamPool(lookups)
    async with open_session(lookups) as full:
        try:
            yield UpstreamClient(full, lines)
        finally:
            lines.close()


def open_session(dns: DnsCache) -> ClientSession:
    """One pool for all upstreams. It stores no cookies, follows nothing, unpacks nothing, adds no header."""
    return ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, resolver=dns, use_dns_cache=False),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
    )


async def forward(
    request: web.BaseRequest,
    client: UpstreamClient,
    find_upstream: FindUpstream,
    client_info: ClientInfo,
    is_preview: bool,
) -> web.StreamResponse:
    """``find_upstream`` gives the current upstream. Raises NoAnswer before anything was sent to the client."""
    headers = request_headers(request.headers, client_info)
    body = request.content if request.body_exists else None
    await _send_continue(request)
    path = request.rel_url.raw_path_qs
    plain = body is None and request.method == "GET" and path.startswith("/")

    async def ask(upstream: URL) -> ClientResponse | UpstreamResponse:
        if plain and upstream.scheme == "http" and upstream.host and upstream.port:
            return await client.pool.get((upstream.host, upstream.port), path, headers)
        url = upstream_url(upstream, request.rel_url)
        return await client.session.request(request.method, url, headers=headers, data=body, allow_redirects=False)

    answer = await with_retries(ask, find_upstream, body is None and request.method in REPEATABLE)
    try:
        return await _relay(request, answer, response_headers(answer.headers, is_preview))
    finally:
        # After a whole answer the connection is already back in the pool, and this does nothing.
        answer.close()


def upstream_url(upstream: URL, requested: URL) -> URL:
    """The upstream's origin with the path and query exactly as they were asked for, nothing decoded or tidied up."""
    return URL.build(
        scheme=upstream.scheme,
        authority=upstream.raw_authority,
        path=requested.raw_path,
        query_string=requested.raw_query_string,
        encoded=True,
    )


async def with_retries(send: Callable[[URL], Awaitable[T]], find_upstream: FindUpstream, repeatable: bool) -> T:
    """Asks, and asks again where that is safe."""
    waits = list(REFUSED_RETRY_DELAYS)
    while True:
        upstream = find_upstream()
        try:
            if upstream is not None:
                return await send(upstream)
        except ServerTimeoutError as error:
            raise UpstreamUnavailable("The connection timed out.") from error
        except (ClientConnectorError, ConnectionRefused) as error:
            if not waits:
                raise UpstreamUnavailable("The connection was refused.") from error
        except (ServerDisconnectedError, ClientOSError) as error:
            if not repeatable:
                raise UpstreamUnavailable("It closed the connection without a response.") from error
            repeatable = False
        except ClientError as error:
            raise UpstreamUnavailable("Its response is not valid HTTP.") from error
        if not waits:
            raise UpstreamUnavailable("The connection was refused.")
        await asyncio.sleep(waits.pop(0))


async def _send_continue(request: web.BaseRequest) -> None:
    """Clients that ask before they send a large body get their go-ahead once a route is known."""
    if request.version == HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


class _ProxiedResponse(web.StreamResponse):
    """As the upstream made it: aiohttp would name a type for an answer that has none, and browsers would save it."""

    async def _prepare_headers(self) -> None:
        untyped = hdrs.CONTENT_TYPE not in self.headers
        await super()._prepare_headers()
        if untyped:
            self.headers.popall(hdrs.CONTENT_TYPE, None)


class _CompleteResponse(_ProxiedResponse):
    """One that is already here whole: head and body leave in one piece."""

    _send_headers_immediately = False


async def _relay(
    request: web.BaseRequest, answer: ClientResponse | UpstreamResponse, headers: CIMultiDict[str]
) -> web.StreamResponse:
    kind = _CompleteResponse if answer.content.is_eof() else _ProxiedResponse
    response = kind(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    if request.method == "HEAD":
        await response.write_eof()
        return response
    try:
        await _stream_body(answer.content, response)
    except (ClientError, ConnectionError, OSError):
        # Either side is gone; the head has been sent, so the only honest end is a broken connection.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _stream_body(source: StreamReader, response: web.StreamResponse) -> None:
    while True:
        data = await source.readany()
        if source.at_eof():
            await response.write_eof(data)
            return
        await response.write(data)
