"""The fast client for upstreams gives the same results as aiohttp's, with upstreams that misbehave byte by byte (T1,
S5)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientError, ClientPayloadError, ServerDisconnectedError
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict

from orchestrator.gateway.proxy.dns_cache import DnsCache
from orchestrator.gateway.proxy.upstream_pool import ConnectionRefused, Endpoint, UpstreamPool

HOST = "shop-gentle-stream-42.eph.test"
HEADERS = CIMultiDict({"Host": HOST})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class ScriptedUpstream:
    """Sends the next of ``answers`` to each request; None closes the connection instead. Records the requests."""

    def __init__(self, responses: Sequence[bytes | None], close: bool = False) -> None:
        self._answers = iter(responses)
        self._close = close
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = next(self._answers)
                if answer is None:
                    return
                writer.write(answer)
                if self._close:
                    return
        except (asyncio.IncompleteReadError, StopIteration):
            pass
        finally:
            writer.close()
            self.ended.set()


@asynccontextmanager
async def serve_upstream(upstream: ScriptedUpstream) -> AsyncIterator[tuple[UpstreamPool, Endpoint]]:
    kept = UpstreamPool()
    server = await asyncio.start_server(upstream.handle, "127.0.0.1", 0)
    try:
        yield kept, server.sockets[0].getsockname()[:2]
    finally:
        kept.close()
        server.close()


async def read(pool: UpstreamPool, address: Endpoint, path: str = "/") -> tuple[int, bytes]:
    answer = await pool.get(address, path, HEADERS)
    return answer.status, await answer.content.read()


async def test_one_connection_serves_one_request_after_the_other() -> None:
    upstream = ScriptedUpstream([OK, b"HTTP/1.1 304 Not Modified\r\n\r\n", OK])
    async with serve_upstream(upstream) as (kept, place):
        assert [await read(kept, place) for _ in range(3)] == [(200, b"ok"), (304, b""), (200, b"ok")]
    assert upstream.connections == 1
    assert upstream.requests[0] == f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


async def test_two_concurrent_requests_have_two_connections() -> None:
    upstream = ScriptedUpstream([OK, OK])
    async with serve_upstream(upstream) as (kept, place):
        first, second = await kept.get(place, "/1", HEADERS), await kept.get(place, "/2", HEADERS)
        assert [await first.content.read(), await second.content.read()] == [b"ok", b"ok"]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b"ok"),
    ],
)
async def test_response_may_end_in_every_way(answer: bytes, body: bytes) -> None:
    upstream = ScriptedUpstream([answer], close=True)
    async with serve_upstream(upstream) as (kept, place):
        assert await read(kept, place) == (200, body)


async def test_closed_kept_alive_connection_is_not_noticed() -> None:
    upstream = ScriptedUpstream([OK, None, OK])
    async with serve_upstream(upstream) as (kept, place):
        assert [await read(kept, place) for _ in range(2)] == [(200, b"ok")] * 2
    assert (upstream.connections, len(upstream.requests)) == (2, 3)


async def test_old_connection_is_not_reused() -> None:
    upstream = ScriptedUpstream([OK, OK])
    async with serve_upstream(upstream) as (kept, place):
        await read(kept, place)
        kept.idle_seconds = 0.0
        await read(kept, place)
    assert upstream.connections == 2


async def test_idle_connections_are_closed_without_another_request() -> None:
    upstream = ScriptedUpstream([OK])
    async with serve_upstream(upstream) as (kept, place):
        kept.idle_seconds = 0.01
        await read(kept, place)
        await asyncio.wait_for(upstream.ended.wait(), 2)


async def test_half_read_response_closes_its_connection() -> None:
    upstream = ScriptedUpstream([b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"])
    async with serve_upstream(upstream) as (kept, place):
        (await kept.get(place, "/", HEADERS)).close()
        await asyncio.wait_for(upstream.ended.wait(), 2)


async def test_truncated_response_is_an_error() -> None:
    upstream = ScriptedUpstream([b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"], close=True)
    async with serve_upstream(upstream) as (kept, place):
        with pytest.raises(ClientPayloadError):
            await read(kept, place)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, ServerDisconnectedError),
        (b"220 mail.example ESMTP\r\n\r\n", ClientPayloadError),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", ClientPayloadError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", ClientError),
    ],
)
async def test_invalid_response_is_the_error_that_aiohttp_raises(answer: bytes | None, error: type[Exception]) -> None:
    async with serve_upstream(ScriptedUpstream([answer])) as (kept, place):
        with pytest.raises(error):
            await read(kept, place)


async def test_refused_connection_is_distinguished_because_nothing_was_sent(free_port: Callable[[], int]) -> None:
    with pytest.raises(ConnectionRefused):
        await UpstreamPool().get(("127.0.0.1", free_port()), "/", HEADERS)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb"])
async def test_header_cannot_become_two(value: str) -> None:
    upstream = ScriptedUpstream([OK])
    async with serve_upstream(upstream) as (kept, place):
        with pytest.raises(ClientPayloadError):
            await kept.get(place, "/", CIMultiDict({"Host": HOST, "X": value}))
        with pytest.raises(ClientPayloadError):
            await kept.get(place, f"/{value}", HEADERS)
    assert upstream.requests == []


class CountingResolver(AbstractResolver):
    """Knows ``known``, and counts lookups."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self.known = known
        self.lookups = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.lookups += 1
        await asyncio.sleep(0)
        if host not in self.known:
            raise OSError(f"nobody is called {host}")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.known[host]
        ]

    async def close(self) -> None:
        return


async def test_name_is_looked_up_once_for_all_connections() -> None:
    """A service of the cluster has a name; the first of its two addresses may not respond."""
    names = CountingResolver({"web.shop.svc": ["127.0.0.9", "127.0.0.1"]})
    async with serve_upstream(ScriptedUpstream([OK] * 9)) as (_, (_, port)):
        kept = UpstreamPool(DnsCache(names), idle_seconds=0.0)  # each request opens a connection
        for _ in range(3):
            assert await read(kept, ("web.shop.svc", port)) == (200, b"ok")
        assert names.lookups == 1
        for _ in range(3):
            with pytest.raises(ConnectionRefused, match=r"nobody is called gone\.shop\.svc"):
                await kept.get(("gone.shop.svc", port), "/", HEADERS)
        assert names.lookups == 2
        kept.close()


async def test_name_is_looked_up_again_after_a_moment() -> None:
    """A recreated service has another address."""
    names = CountingResolver({"web.shop.svc": ["10.96.0.7"]})
    known = DnsCache(names, seconds=0.0)
    assert (await known.resolve("web.shop.svc"))[0]["host"] == "10.96.0.7"
    names.known["web.shop.svc"] = ["10.96.0.8"]
    assert (await known.resolve("web.shop.svc"))[0]["host"] == "10.96.0.8"
