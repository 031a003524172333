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

from orchestrator.gateway.headers import Sender, downwards, upwards
from orchestrator.gateway.lines import CONNECT_SECONDS, IDLE_SECONDS, MOST_HEADER, Answer, Lines, Refused
from orchestrator.gateway.lookups import Lookups

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSED_WAITS = (0.05,) * 20
Find = Callable[[], URL | None]
T = TypeVar("T")


class NoAnswer(Exception):
    """The upstream gave no answer; the message says how, in words for the page."""


@dataclass(frozen=True, slots=True)
class Client:
    """Two ways to the upstreams: the short one for what is plain, aiohttp's for all else."""

    session: ClientSession
    lines: Lines


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    lookups = Lookups()
    lines = Lines(lookups)
    async with session(lookups) as full:
        try:
            yield Client(full, lines)
        finally:
            lines.close()


def session(lookups: Lookups) -> ClientSession:
    """One pool for all upstreams. It stores no cookies, follows nothing, unpacks nothing, adds no header."""
    return ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, resolver=lookups, use_dns_cache=False),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        max_line_size=MOST_HEADER,
        max_field_size=MOST_HEADER,
    )


async def forward(
    request: web.BaseRequest, client: Client, find: Find, sender: Sender, preview: bool
) -> web.StreamResponse:
    """``find`` gives the upstream as it is now. Raises NoAnswer, and nothing was sent to the client by then."""
    headers = upwards(request.headers, sender)
    body = request.content if request.body_exists else None
    await _welcome_body(request)
    path = request.rel_url.raw_path_qs
    plain = body is None and request.method == "GET" and path.startswith("/")

    async def ask(upstream: URL) -> ClientResponse | Answer:
        if plain and upstream.scheme == "http" and upstream.host and upstream.port:
            return await client.lines.get((upstream.host, upstream.port), path, headers)
        url = target(upstream, request.rel_url)
        return await client.session.request(request.method, url, headers=headers, data=body, allow_redirects=False)

    answer = await with_patience(ask, find, body is None and request.method in REPEATABLE)
    try:
        return await _relay(request, answer, downwards(answer.headers, preview))
    finally:
        # After a whole answer the connection is already back in the pool, and this does nothing.
        answer.close()


def target(upstream: URL, asked: URL) -> URL:
    """The upstream's origin with the path and query exactly as they were asked for, nothing decoded or tidied up."""
    return URL.build(
        scheme=upstream.scheme,
        authority=upstream.raw_authority,
        path=asked.raw_path,
        query_string=asked.raw_query_string,
        encoded=True,
    )


async def with_patience(ask: Callable[[URL], Awaitable[T]], find: Find, repeatable: bool) -> T:
    """Asks, and asks again where that is safe."""
    waits = list(REFUSED_WAITS)
    while True:
        upstream = find()
        try:
            if upstream is not None:
                return await ask(upstream)
        except ServerTimeoutError as error:
            raise NoAnswer("It accepted no connection in time.") from error
        except (ClientConnectorError, Refused) as error:
            if not waits:
                raise NoAnswer("It accepts no connection.") from error
        except (ServerDisconnectedError, ClientOSError) as error:
            if not repeatable:
                raise NoAnswer("It closed the connection without an answer.") from error
            repeatable = False
        except ClientError as error:
            raise NoAnswer("What it answered is not HTTP.") from error
        if not waits:
            raise NoAnswer("It accepts no connection.")
        await asyncio.sleep(waits.pop(0))


async def _welcome_body(request: web.BaseRequest) -> None:
    """Clients that ask before they send a large body get their go-ahead once a route is known."""
    if request.version == HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


class _Answer(web.StreamResponse):
    """As the upstream made it: aiohttp would name a type for an answer that has none, and browsers would save it."""

    async def _prepare_headers(self) -> None:
        untyped = hdrs.CONTENT_TYPE not in self.headers
        await super()._prepare_headers()
        if untyped:
            self.headers.popall(hdrs.CONTENT_TYPE, None)


class _Short(_Answer):
    """One that is already here whole: head and body leave in one piece."""

    _send_headers_immediately = False


async def _relay(
    request: web.BaseRequest, answer: ClientResponse | Answer, headers: CIMultiDict[str]
) -> web.StreamResponse:
    kind = _Short if answer.content.is_eof() else _Answer
    response = kind(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    if request.method == "HEAD":
        await response.write_eof()
        return response
    try:
        await _pour(answer.content, response)
    except (ClientError, ConnectionError, OSError):
        # Either side is gone; the head has been sent, so the only honest end is a broken connection.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _pour(source: StreamReader, response: web.StreamResponse) -> None:
    while True:
        data = await source.readany()
        if source.at_eof():
            await response.write_eof(data)
            return
        await response.write(data)
