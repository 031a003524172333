"""Sockets of an environment's namespace in the gateway (L5: requested while a preview wakes, not afterwards)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.gateway.proxy.environment_sockets import EnvironmentSockets
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
