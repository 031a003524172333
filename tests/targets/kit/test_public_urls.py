"""An environment's own URLs from inside a test suite's domain, and nothing else at the same address (S3, P4)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from programs.kit.isolation import client_hello, public_urls
from tests.targets.suite_front import HOST, OK, Front, close, exchange_by_tls, get, opened


async def send(port: int, *requests: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.3):
            while part := await reader.read(65536):
                answer += part
    await close(writer)
    return answer


def exchange(folder: Path, front: Front, *requests: bytes, tls: bool = False) -> bytes:
    async def run() -> bytes:
        async with opened(folder, front, tls=tls) as port:
            return await send(port, *requests)

    return asyncio.run(run())


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


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (HOST, OK),
        (HOST.upper(), OK),
        ("api-shop-1.localhost", OK),
        ("other-2.localhost", b"unrecognized name"),
        ("eph.localhost", b"unrecognized name"),
        ("127.0.0.1", b"unrecognized name"),
        (None, b"unrecognized name"),
    ],
)
def test_tls_reaches_the_front_by_own_names_only(
    folder: Path, name: str | None, answer: bytes, version: ssl.TLSVersion
) -> None:
    """S3 P4: with a real client. One that connects to an address, or checks no name, sends none."""
    front = Front()
    assert asyncio.run(exchange_by_tls(folder, front, name, version)) == answer
    assert len(front.heads) == (answer == OK)


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\nHost: shop-1.localhost\r\n\r\n", b"\x16\x03\x01\x7f\xff" + b"a" * 100]
)
def test_what_is_not_tls_never_reaches_a_front_with_tls(folder: Path, data: bytes) -> None:
    front = Front()
    assert exchange(folder, front, data, tls=True) in (b"", client_hello.UNRECOGNIZED_NAME)
    assert front.heads == []


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
