"""Proxies HTTP. Nothing is buffered, in either direction. Nothing is changed, either, but for the bar on pages.

Plain requests use ``upstream_pool``, all others aiohttp's client; both return the same responses and errors. A refused
connection is retried for a second, looking up the route each time, so a service that restarts, perhaps on another port,
doesn't appear as an outage. Nothing has been sent by then, so any method can be retried. A connection that closes
before the first byte of a response is retried once, only for idempotent requests. A truncated response is truncated for
the client, too, so it doesn't look complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
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
    hdrs,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from orchestrator.config import file_names
from orchestrator.gateway import wording
from orchestrator.gateway.bar import bar_rules
from orchestrator.gateway.bar.bar_injection import BarInjection, BodyWithBar
from orchestrator.gateway.proxy.dns_cache import DnsCache
from orchestrator.gateway.proxy.environment_sockets import EnvironmentConnector, EnvironmentSockets, environment_of
from orchestrator.gateway.proxy.headers import ClientInfo, add_hsts, request_headers, response_headers, safe_reason
from orchestrator.gateway.proxy.upstream_pool import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    MAX_HEADER,
    ConnectionRefused,
    UpstreamPool,
    UpstreamResponse,
)
from programs.kit.isolation import sockets

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSED_RETRY_DELAYS = (0.05,) * 20
FindUpstream = Callable[[], URL | None]
T = TypeVar("T")


class UpstreamUnavailable(Exception):
    """The upstream didn't respond; the message describes it for the page."""


@dataclass(frozen=True, slots=True)
class UpstreamClient:
    """Two clients for upstreams: a fast one for plain requests, aiohttp's for all others. ``api_tls`` verifies ephd's
    API; upstreams of previews are verified by the authorities that this machine trusts."""

    session: ClientSession
    pool: UpstreamPool
    environments: EnvironmentSockets
    api_tls: ssl.SSLContext | None = None

    def tls(self, *, is_preview: bool) -> ssl.SSLContext | bool:
        return True if is_preview or self.api_tls is None else self.api_tls

    def prepare(self, upstream: URL) -> None:
        """A request will be sent there as soon as it responds."""
        if environment := environment_of(upstream.host or ""):
            self.environments.prepare(environment)


@contextlib.asynccontextmanager
async def open_client(directory: Path, api_tls: ssl.SSLContext | None) -> AsyncIterator[UpstreamClient]:
    """``directory`` contains the routes and, if environments have their own networks, the broker of their sockets."""
    lookups = DnsCache()
    environments = EnvironmentSockets(sockets.folder_beside(directory / file_names.ROUTES))
    lines = UpstreamPool(lookups, environments=environments)
    async with open_session(lookups, environments) as full:
        try:
            yield UpstreamClient(full, lines, environments, api_tls)
        finally:
            lines.close()
            environments.close()


def open_session(dns: DnsCache, environments: EnvironmentSockets) -> ClientSession:
    """One pool for all upstreams. It stores no cookies, follows no redirects, decompresses nothing and adds no
    headers."""
    return ClientSession(
        connector=EnvironmentConnector(
            environments, limit=0, keepalive_timeout=IDLE_SECONDS, resolver=dns, use_dns_cache=False
        ),
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
    bar: BarInjection | None = None,
) -> web.StreamResponse:
    """``find_upstream`` returns the current upstream. Raises UpstreamUnavailable before anything was sent to the
    client."""
    headers = request_headers(request.headers, client_info)
    if bar is not None:
        bar_rules.request_whole_page(headers)
    body = request.content if request.body_exists else None
    await _send_continue(request)
    path = request.rel_url.raw_path_qs
    plain = body is None and request.method == "GET" and path.startswith("/")

    async def ask(upstream: URL) -> ClientResponse | UpstreamResponse:
        if plain and upstream.scheme == "http" and upstream.host and upstream.port:
            return await client.pool.get((upstream.host, upstream.port), path, headers)
        url = upstream_url(upstream, request.rel_url)
        return await client.session.request(
            request.method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            ssl=client.tls(is_preview=is_preview),
        )

    answer = await with_retries(ask, find_upstream, body is None and request.method in REPEATABLE)
    try:
        answered = response_headers(answer.headers, is_preview, request.host)
        add_hsts(answered, request.scheme)
        changed = bar.body_for(answer.status, answer.headers, answered) if bar is not None else None
        return await _relay(request, answer, answered, changed)
    finally:
        # After a complete response the connection is already back in the pool, and this does nothing.
        answer.close()


def upstream_url(upstream: URL, requested: URL) -> URL:
    """The upstream's origin with the exact path and query of the request, neither decoded nor normalized."""
    return URL.build(
        scheme=upstream.scheme,
        authority=upstream.raw_authority,
        path=requested.raw_path,
        query_string=requested.raw_query_string,
        encoded=True,
    )


async def with_retries(send: Callable[[URL], Awaitable[T]], find_upstream: FindUpstream, repeatable: bool) -> T:
    """Sends the request, and retries it where that is safe."""
    waits = list(REFUSED_RETRY_DELAYS)
    while True:
        upstream = find_upstream()
        try:
            if upstream is not None:
                return await send(upstream)
        except ServerTimeoutError as error:
            raise UpstreamUnavailable(wording.TIMED_OUT) from error
        except (ClientConnectorError, ConnectionRefused) as error:
            if not waits:
                raise UpstreamUnavailable(wording.REFUSED) from error
        except (ServerDisconnectedError, ClientOSError) as error:
            if not repeatable:
                raise UpstreamUnavailable(wording.CLOSED_WITHOUT_RESPONSE) from error
            repeatable = False
        except ClientError as error:
            raise UpstreamUnavailable(wording.NOT_HTTP) from error
        if not waits:
            raise UpstreamUnavailable(wording.REFUSED)
        await asyncio.sleep(waits.pop(0))


async def _send_continue(request: web.BaseRequest) -> None:
    """Clients that send ``Expect: 100-continue`` before a large body get the response once a route is known."""
    if request.version == HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


class _ProxiedResponse(web.StreamResponse):
    """Keeps the upstream's headers: aiohttp would add a content type to a response without one, and browsers would
    download it."""

    async def _prepare_headers(self) -> None:
        untyped = hdrs.CONTENT_TYPE not in self.headers
        await super()._prepare_headers()
        if untyped:
            self.headers.popall(hdrs.CONTENT_TYPE, None)


class _CompleteResponse(_ProxiedResponse):
    """A response that is already complete: head and body are sent at once."""

    _send_headers_immediately = False


async def _relay(
    request: web.BaseRequest,
    answer: ClientResponse | UpstreamResponse,
    headers: CIMultiDict[str],
    changed: BodyWithBar | None,
) -> web.StreamResponse:
    kind = _CompleteResponse if answer.content.is_eof() else _ProxiedResponse
    response = kind(status=answer.status, reason=safe_reason(answer.reason), headers=headers)
    await response.prepare(request)
    if request.method == "HEAD":
        await response.write_eof()
        return response
    try:
        if changed is None:
            await _stream_body(answer.content, response)
        else:
            await _stream_changed_body(answer.content, response, changed)
    except (ClientError, ConnectionError, OSError):
        # One side is gone. The head has been sent, so the only correct end is a broken connection.
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


async def _stream_changed_body(source: StreamReader, response: web.StreamResponse, changed: BodyWithBar) -> None:
    while True:
        data = await source.readany()
        at_end = source.at_eof()
        for piece in changed.pieces(data):
            await response.write(piece)
        if at_end:
            await response.write_eof(changed.end())
            return
