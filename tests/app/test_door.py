"""The gateway as ephd keeps it, with real processes: adopted, replaced when it died, never taken for another (L2).

A process is ended only when it is that very one: its number alone proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from orchestrator.app import door as doors
from orchestrator.app.addresses import StartTrouble
from orchestrator.app.door import Door, Doorkeeper, GatewayTrouble, Neighbour
from stacks import processes

pytestmark = pytest.mark.real


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """One gateway folder and address, and every keeper that looked after it, so that each is ended at last."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.keepers: list[Doorkeeper] = []

    def keeper(self, domain: str = "localhost") -> Doorkeeper:
        made = Doorkeeper(Door(f"127.0.0.1:{self.port}", "127.0.0.1:1", self.directory, domain))
        self.keepers.append(made)
        return made

    @property
    def record(self) -> Path:
        return self.directory / "gateway.json"

    @property
    def identity(self) -> processes.Identity:
        return processes.Identity(**json.loads(self.record.read_text())["identity"])

    def answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/_eph/healthz", trust_env=False).status_code == 200
        return False

    def kill(self) -> None:
        identity = self.identity
        processes.send(identity.pid, signal.SIGKILL)
        assert processes.wait_gone(identity, 10)


def stranger_at_work() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path / "gateway")
    yield made
    for keeper in reversed(made.keepers):
        await asyncio.to_thread(keeper.stop)
        if keeper._started is not None:
            await asyncio.to_thread(keeper._started.wait)
    assert not made.answers()


async def test_a_new_life_adopts_the_gateway_of_the_one_before(house: House) -> None:
    await house.keeper().ensure()
    first = house.identity
    await house.keeper().ensure()
    assert house.identity == first
    assert house.answers()


async def test_one_that_was_killed_is_replaced(house: House) -> None:
    await house.keeper().ensure()
    first = house.identity
    house.kill()
    assert not house.answers()
    await house.keeper().ensure()
    assert house.identity != first
    assert house.answers()


async def test_it_is_looked_after_while_ephd_lives(house: House) -> None:
    keeper = house.keeper()
    await keeper.ensure()
    watching = asyncio.create_task(keeper.keep(0.05))
    house.kill()
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(house.answers):
            await asyncio.sleep(0.1)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_one_with_other_settings_is_replaced(house: House) -> None:
    await house.keeper().ensure()
    first = house.identity
    await house.keeper("previews.example").ensure()
    assert not processes.alive(first)
    assert house.answers()


async def test_one_whose_record_was_lost_is_found_by_its_mark(house: House) -> None:
    await house.keeper().ensure()
    first = house.identity
    house.record.write_text('{"identity": {"pid"')  # cut in the middle of writing
    await house.keeper().ensure()
    assert not processes.alive(first)
    assert house.answers()


async def test_a_stranger_with_the_number_of_the_dead_one_is_left_alone(house: House) -> None:
    house.directory.mkdir(parents=True)
    with stranger_at_work() as stranger:
        try:
            identity = processes.identify(stranger.pid)
            assert identity is not None
            entry = dataclasses.asdict(identity) | {"started": identity.started - 1}
            house.record.write_text(json.dumps({"identity": entry, "command": []}))
            keeper = house.keeper()
            await keeper.ensure()
            await asyncio.to_thread(keeper.stop)
            assert processes.alive(identity)
        finally:
            stranger.kill()


async def test_a_taken_port_is_one_sentence_with_setting_and_port(house: House) -> None:
    with (
        socket.create_server(("127.0.0.1", house.port)),
        pytest.raises(StartTrouble, match=rf"gateway_listen.*{house.port} is taken"),
    ):
        await house.keeper().ensure()
    assert not house.record.exists()


async def test_a_gateway_of_somebody_else_there_is_not_taken_for_ours(house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    other.port = house.port
    await other.keeper().ensure()
    theirs = other.identity
    with pytest.raises(StartTrouble, match="is taken"):
        await house.keeper().ensure()
    assert processes.alive(theirs)
    await asyncio.to_thread(other.keepers[0].stop)


async def test_one_that_ends_at_once_says_its_last_words(house: House) -> None:
    house.directory.mkdir(parents=True)
    keeper = Doorkeeper(
        Door(f"127.0.0.1:{house.port}", "127.0.0.1:1", house.directory, "localhost", sign_in="nonsense")
    )
    house.keepers.append(keeper)
    with pytest.raises(GatewayTrouble, match=r"ended at once.*nonsense"):
        await keeper.ensure()
    assert not any(processes.marked("EPH_GATEWAY_OF", str(house.directory)))


def test_the_stop_of_what_never_ran_is_quiet(tmp_path: Path) -> None:
    Doorkeeper(Door("127.0.0.1:1", "127.0.0.1:1", tmp_path / "none", "localhost")).stop()
    assert list(tmp_path.iterdir()) == []


async def test_a_gateway_that_something_else_keeps_is_waited_for_and_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O4: in a pod the gateway has a container of its own."""
    monkeypatch.setattr(doors, "NEIGHBOUR_SECONDS", 0.1)
    beside = Neighbour(Door(f"127.0.0.1:{house.port}", "127.0.0.1:1", house.directory, "localhost"))
    with pytest.raises(GatewayTrouble, match="ephd --gateway"):
        await beside.ensure()
    assert not house.record.exists(), "none was started"
    await house.keeper().ensure()
    await beside.ensure()
    beside.stop()
    assert house.answers()
