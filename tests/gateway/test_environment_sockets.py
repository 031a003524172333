"""Sockets of an environment's namespace in the gateway (L5: requested while a preview wakes, not afterwards)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.client_exceptions import ServerTimeoutError
from multidict import CIMultiDict

from orchestrator.gateway.proxy import upstream_pool
from orchestrator.gateway.proxy.environment_sockets import EnvironmentSockets, isolated_url
from orchestrator.gateway.proxy.upstream_pool import UpstreamPool
from programs.kit.isolation.sockets import NoDomain


class Broker:
    """Gives out sockets of this machine, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses = False

    def request(self, _: Path, environment: str, count: int) -> list[socket.socket]:
        self.asked.append(environment)
        if self.refuses:
            raise NoDomain(environment)
        return [socket.socket() for _ in range(count)]


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_connection_uses_the_prepared_sockets(tmp_path: Path, port: int) -> None:
    broker = Broker()
    sockets = EnvironmentSockets(tmp_path, broker.request)
    sockets.prepare("shop-x-1")
    sockets.prepare("shop-x-1")
    for _ in range(2):
        with await sockets.connect("shop-x-1", port) as made:
            assert made.getpeername() == ("127.0.0.1", port)
    assert broker.asked == ["shop-x-1"]
    sockets.close()


async def test_a_failed_preparation_is_reported_by_the_connection(tmp_path: Path, port: int) -> None:
    broker = Broker()
    broker.refuses = True
    sockets = EnvironmentSockets(tmp_path, broker.request)
    sockets.prepare("shop-x-1")
    with pytest.raises(NoDomain):
        await sockets.connect("shop-x-1", port)
    broker.refuses = False
    (await sockets.connect("shop-x-1", port)).close()
    sockets.close()


class FullQueue(EnvironmentSockets):
    """A service that accepts a connection later than the gateway waits for a service elsewhere."""

    async def connect(self, environment: str, port: int) -> socket.socket:
        await asyncio.sleep(0.1)
        return await super().connect(environment, port)


async def test_a_full_queue_of_a_service_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """L5: two hundred people who waited for a wake arrive at the same moment. Some got an error on a busy machine."""
    monkeypatch.setattr(upstream_pool, "CONNECT_SECONDS", 0.01)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    environments = FullQueue(tmp_path, Broker().request)
    pool = UpstreamPool(environments=environments)
    url = isolated_url("shop-x-1", server.sockets[0].getsockname()[1])
    assert url is not None
    assert url.host is not None
    assert url.port is not None
    try:
        async with server:
            answer = await pool.get((url.host, url.port), "/", CIMultiDict())
            assert answer.status == 200
            monkeypatch.setattr(upstream_pool, "FULL_QUEUE_SECONDS", 0.01)
            with pytest.raises(ServerTimeoutError):
                await pool.get((url.host, url.port), "/", CIMultiDict())
    finally:
        pool.close()
        environments.close()
