"""An environment's own URLs from inside a test suite's domain, and nothing else at the same address (S3, P4)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from programs.kit.isolation import public_urls
from programs.kit.isolation.public_urls import PublicUrls

HOST = "shop-1.localhost"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Front:
    """A gateway or ingress controller that keeps connections open: it answers every request that reaches it."""

    def __init__(self, answer: bytes = OK) -> None:
        self.heads: list[bytes] = []
        self.data = b""
        self._answer = answer

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:  # until the connection ends
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self._answer)
                if b"Connection: close" in self.heads[-1]:
                    break
                if b" 101 " in self._answer:
                    self.data = await reader.readexactly(4)
                    writer.write(self.data)
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def opened(folder: Path, front: Front, *, tls: bool = False) -> AsyncIterator[int]:
    """The port at which a suite finds its URLs."""
    async with await asyncio.start_server(front.handle, "127.0.0.1", 0) as upstream:
        port = upstream.sockets[0].getsockname()[1]
        urls = PublicUrls(folder, port, tls=tls)

        ended = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
                await urls.handle(reader, writer)
            await _close(writer)
            ended.set()

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]
            await asyncio.wait_for(ended.wait(), 5)


async def send(port: int, *requests: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.3):
            while part := await reader.read(65536):
                answer += part
    await _close(writer)
    return answer


def exchange(folder: Path, front: Front, *requests: bytes, tls: bool = False) -> bytes:
    async def run() -> bytes:
        async with opened(folder, front, tls=tls) as port:
            return await send(port, *requests)

    return asyncio.run(run())


def get(host: str = HOST, *fields: str, target: str = "/") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    public_urls.write_hosts(tmp_path, [HOST, "api-shop-1.localhost"])
    return tmp_path


@pytest.mark.parametrize("host", [HOST, f"{HOST.upper()}:8080", "api-shop-1.localhost"])
def test_own_name_is_answered_by_the_front(folder: Path, host: str) -> None:
    front = Front()
    assert exchange(folder, front, get(host, "Cookie: a=b", "Connection: keep-alive")) == OK
    [head] = front.heads
    assert f"Host: {host}\r\n".encode() in head
    assert b"Cookie: a=b\r\n" in head
    assert head.count(b"Connection:") == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("other-2.localhost"),
        get("eph.localhost"),
        get("127.0.0.1"),
        get(HOST, "Host: other-2.localhost"),
        get(HOST, "Host : other-2.localhost"),
        get(HOST, " Host: other-2.localhost"),
        get(HOST, "X: y\nHost: other-2.localhost"),
        get(HOST, target="http://other-2.localhost/"),
        get(HOST, target="other-2.localhost:80"),
        get().replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_other_names_never_reach_the_front(folder: Path, request_bytes: bytes) -> None:
    front = Front()
    assert exchange(folder, front, request_bytes).startswith(b"HTTP/1.1 40")
    assert front.heads == []


def test_second_request_on_a_connection_never_reaches_the_front(folder: Path) -> None:
    front = Front()
    assert exchange(folder, front, get(), get("other-2.localhost")) == OK
    assert len(front.heads) == 1


def test_rejected_websocket_is_no_way_to_a_second_request(folder: Path) -> None:
    front = Front()
    shake = get(HOST, "Upgrade: websocket", "Connection: Upgrade")
    assert exchange(folder, front, shake, get("other-2.localhost")) == OK
    assert len(front.heads) == 1


def test_websocket_passes(folder: Path) -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    front = Front(switched)
    shake = get(HOST, "Upgrade: websocket", "Connection: Upgrade")
    assert exchange(folder, front, shake, b"ping") == switched + b"ping"
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in front.heads[0]


def test_bytes_of_tls_pass_unchanged(folder: Path) -> None:
    front = Front()
    assert exchange(folder, front, b"\x16\x03\x01 hello\r\n\r\n", tls=True) == OK
    assert front.heads == [b"\x16\x03\x01 hello\r\n\r\n"]


@pytest.mark.parametrize("tls", [False, True])
def test_without_names_nothing_is_reached(tmp_path: Path, tls: bool) -> None:
    front = Front()
    exchange(tmp_path, front, get(), tls=tls)
    assert front.heads == []


@pytest.mark.parametrize("name", ["169.254.169.254", "0xa9fea9fe", "2852039166"])
def test_name_of_the_metadata_service_is_not_connected(folder: Path, name: str) -> None:
    public_urls.write_hosts(folder, [name])
    front = Front()
    assert exchange(folder, front, get(name)) == b""
