"""An environment can't take the connections of its neighbours or of the administrator (S3)."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from programs.kit.isolation import relay
from programs.kit.isolation.connection_limits import ConnectionLimit, TooManyConnections
from programs.kit.isolation.relay import PROXY_PORT, GuardedHandler, Relay, RelayConfig

DATABASE_PORT, OWN_PORT = 5432, 8080


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_CONNECTIONS", "PROXY_CONNECTIONS", "OWN_CONNECTIONS"):
        monkeypatch.setattr(relay, name, 3)


def relay_for(folder: Path, database_port: int, connections: int = 0) -> Relay:
    address = ("127.0.0.1", database_port)
    return Relay(
        RelayConfig(str(folder), str(folder), str(folder), address, DATABASE_PORT, OWN_PORT, (), "", "", connections)
    )


async def connect(handler: GuardedHandler, count: int) -> int:
    """How many of so many connections are served. They send nothing. At the end, all are closed."""
    accepted: list[asyncio.Task[None]] = []
    ended: list[asyncio.StreamWriter] = []
    all_accepted = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        ended.append(writer)
        await _close(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(asyncio.create_task(serve(reader, writer)))
        if len(accepted) == count:
            all_accepted.set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        opened = await asyncio.gather(*[asyncio.open_connection("127.0.0.1", port) for _ in range(count)])
        await all_accepted.wait()
        await asyncio.sleep(0)  # a refused one ends in its first step
        served = count - len(ended)
        for _, writer in opened:
            await _close(writer)
        await asyncio.gather(*accepted)
    return served


async def silent_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Waits for a client that sends nothing."""
    await reader.read()
    await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def test_half_open_sessions_leave_room_for_the_neighbour(tmp_path: Path) -> None:
    """They took all of PostgreSQL's slots, the administrator's included, because it counts them for no role."""

    async def run() -> None:
        async with await asyncio.start_server(silent_server, "127.0.0.1", 0) as database:
            made = relay_for(tmp_path, database.sockets[0].getsockname()[1])
            hostile, neighbour = (made._handlers(name)[DATABASE_PORT] for name in ("hostile", "neighbour"))
            assert await connect(hostile, 8) == 3
            assert await connect(neighbour, 3) == 3
            assert await connect(hostile, 3) == 3, "closed connections count no more"

    asyncio.run(run())


@pytest.mark.parametrize("port", [PROXY_PORT, OWN_PORT])
def test_each_way_out_has_its_limit(tmp_path: Path, port: int) -> None:
    async def run() -> None:
        assert await connect(relay_for(tmp_path, 0)._handlers("hostile")[port], 8) == 3

    asyncio.run(run())


def test_all_environments_together_leave_slots_for_the_administrator(tmp_path: Path) -> None:
    shared = ConnectionLimit(3)
    first, second = ConnectionLimit(2, shared), ConnectionLimit(2, shared)
    with first.taken(), first.taken(), second.taken():
        with pytest.raises(TooManyConnections), second.taken():
            pass
        assert (first.open, second.open, shared.open) == (2, 1, 3)
    with first.taken(), pytest.raises(TooManyConnections), first.taken(), first.taken():
        pass
    assert (first.open, second.open, shared.open) == (0, 0, 0)
    assert relay_for(tmp_path, 0, 280)._to_database.most == 280
