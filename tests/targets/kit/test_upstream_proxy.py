"""Outbound requests of environments on a machine that reaches the internet through a proxy itself."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import pytest

from programs.kit.isolation import upstream_proxy
from programs.kit.isolation.egress import EgressProxy
from programs.kit.isolation.upstream_proxy import UpstreamProxy
from tests.targets import ambiguous_requests

ACCOUNT = base64.b64encode(b"eph:s3cr:et").decode()


@dataclass
class ProxyServer:
    """A proxy on this machine: it answers as it is set up to, and then repeats what it receives."""

    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heads: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self.answer)
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()


def exchange(server: ProxyServer, sent: bytes, allow: tuple[str, ...] = ()) -> bytes:
    """What an environment receives for ``sent``."""

    async def run() -> bytes:
        upstream = await asyncio.start_server(server.handle, "127.0.0.1", 0)
        url = f"http://eph:s3cr%3Aet@127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
        own = await asyncio.start_server(_closing(EgressProxy(allow, url).handle), "127.0.0.1", 0)
        async with upstream, own:
            reader, writer = await asyncio.open_connection(*own.sockets[0].getsockname()[:2])
            writer.write(sent.replace(b"UPSTREAM", str(upstream.sockets[0].getsockname()[1]).encode()))
            writer.write_eof()
            received = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            return received

    return asyncio.run(run())


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def _closing(handler: Handler) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        writer.close()

    return handle


def test_a_tunnel_goes_through_both_proxies() -> None:
    """S3 P7: the destination's name is passed on, and so is every byte afterwards."""
    server = ProxyServer()
    received = exchange(server, b"CONNECT example.invalid:443 HTTP/1.1\r\n\r\nhello")
    assert received == b"HTTP/1.1 200 Connection established\r\n\r\nhello"
    (head,) = server.heads
    assert head.splitlines()[:2] == ["CONNECT example.invalid:443 HTTP/1.1", "Host: example.invalid:443"]
    assert f"Proxy-Authorization: Basic {ACCOUNT}" in head


def test_a_plain_request_keeps_its_absolute_url_and_loses_the_environments_account() -> None:
    server = ProxyServer(b"HTTP/1.1 204 No Content\r\n\r\n")
    sent = b"GET http://example.invalid/a?b HTTP/1.1\r\nHost: example.invalid\r\nProxy-Authorization: Basic x\r\n\r\n"
    assert exchange(server, sent) == server.answer
    (head,) = server.heads
    assert head.splitlines()[0] == "GET http://example.invalid/a?b HTTP/1.1"
    assert head.count("Proxy-Authorization") == 1
    assert f"Basic {ACCOUNT}" in head
    assert "Connection: close" in head


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("169.254.169.254", b"403"),
        ("127.0.0.1", b"403"),
        ("localhost", b"403"),
        ("0x7f.1", b"403"),
        ("metadata.google.internal", b"502"),
        ("intranet", b"502"),
    ],
)
def test_private_destinations_never_reach_the_upstream_proxy(host: str, status: bytes) -> None:
    """S3: the upstream proxy could connect to them."""
    server = ProxyServer()
    assert exchange(server, f"CONNECT {host}:80 HTTP/1.1\r\n\r\n".encode()).split()[1] == status
    assert server.heads == []


@pytest.mark.parametrize("sent", ambiguous_requests.SMUGGLED.values(), ids=ambiguous_requests.SMUGGLED)
def test_ambiguous_requests_never_reach_the_upstream_proxy(sent: bytes) -> None:
    """S3: it could take them for two requests, the second of which nothing checked."""
    server = ProxyServer()
    assert exchange(server, sent).split()[1] == b"400"
    assert server.heads == []


def test_the_host_of_a_plain_request_is_the_destination_that_was_checked() -> None:
    server = ProxyServer(b"HTTP/1.1 204 No Content\r\n\r\n")
    exchange(server, b"GET http://example.invalid/ HTTP/1.1\r\nHost: 169.254.169.254\r\nhost: x\r\n\r\n")
    (head,) = server.heads
    assert [line for line in head.splitlines() if "host" in line.lower()] == ["Host: example.invalid"]


def test_an_allowed_network_is_reached_directly() -> None:
    server = ProxyServer(b"direct")
    assert b"200" in exchange(server, b"CONNECT 127.0.0.1:UPSTREAM HTTP/1.1\r\n\r\nping\r\n\r\n", ("127.0.0.0/8",))
    assert server.heads == ["ping\r\n\r\n"]


def test_a_refusal_of_the_upstream_proxy_is_reported() -> None:
    server = ProxyServer(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    received = exchange(server, b"CONNECT example.invalid:443 HTTP/1.1\r\n\r\n")
    assert received.split()[1] == b"502"
    assert b"upstream proxy responded with" in received
    assert b"407" in received


def test_urls_of_upstream_proxies() -> None:
    assert UpstreamProxy.parse("http://proxy.example") == UpstreamProxy("proxy.example", 80, False, "")
    assert UpstreamProxy.parse("https://proxy.example:3128").tls
    for url in ("proxy.example:3128", "socks5://proxy.example", "http://"):
        with pytest.raises(ValueError, match="use http"):
            UpstreamProxy.parse(url)


@pytest.mark.parametrize(
    ("host", "private"), [("packages.example", False), ("db", True), ("a.svc", True), ("X.LOCAL.", True)]
)
def test_names_of_private_networks(host: str, private: bool) -> None:
    assert upstream_proxy.is_private_name(host) is private
