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

from orchestrator.demo.free_ports import free_port
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.server.gateway_process import ExternalGateway, GatewayError, GatewayProcess, GatewaySpec
from stacks import process_identity

pytestmark = pytest.mark.real


class GatewayHome:
    """One gateway folder and address, and every keeper that looked after it, so that each is ended at last."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.supervisors: list[GatewayProcess] = []

    def supervisor(self, domain: str = "localhost") -> GatewayProcess:
        made = GatewayProcess(GatewaySpec(f"127.0.0.1:{self.port}", "127.0.0.1:1", self.directory, domain))
        self.supervisors.append(made)
        return made

    @property
    def record(self) -> Path:
        return self.directory / "gateway.json"

    @property
    def identity(self) -> process_identity.ProcessIdentity:
        return process_identity.ProcessIdentity(**json.loads(self.record.read_text())["identity"])

    def answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/_eph/healthz", trust_env=False).status_code == 200
        return False

    def kill(self) -> None:
        identity = self.identity
        process_identity.send_signal(identity.pid, signal.SIGKILL)
        assert process_identity.wait_until_gone(identity, 10)


def unrelated_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


@pytest.fixture
async def gateway_home(tmp_path: Path) -> AsyncIterator[GatewayHome]:
    made = GatewayHome(tmp_path / "gateway")
    yield made
    for keeper in reversed(made.supervisors):
        await asyncio.to_thread(keeper.stop)
        if keeper._process is not None:
            await asyncio.to_thread(keeper._process.wait)
    assert not made.answers()


async def test_restart_adopts_the_running_gateway(gateway_home: GatewayHome) -> None:
    await gateway_home.supervisor().ensure()
    first = gateway_home.identity
    await gateway_home.supervisor().ensure()
    assert gateway_home.identity == first
    assert gateway_home.answers()


async def test_killed_gateway_is_restarted(gateway_home: GatewayHome) -> None:
    await gateway_home.supervisor().ensure()
    first = gateway_home.identity
    gateway_home.kill()
    assert not gateway_home.answers()
    await gateway_home.supervisor().ensure()
    assert gateway_home.identity != first
    assert gateway_home.answers()


async def test_gateway_is_supervised(gateway_home: GatewayHome) -> None:
    keeper = gateway_home.supervisor()
    await keeper.ensure()
    watching = asyncio.create_task(keeper.keep_running(0.05))
    gateway_home.kill()
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(gateway_home.answers):
            await asyncio.sleep(0.1)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_gateway_with_other_settings_is_replaced(gateway_home: GatewayHome) -> None:
    await gateway_home.supervisor().ensure()
    first = gateway_home.identity
    await gateway_home.supervisor("previews.example").ensure()
    assert not process_identity.is_alive(first)
    assert gateway_home.answers()


async def test_gateway_without_record_is_found_by_its_mark(gateway_home: GatewayHome) -> None:
    await gateway_home.supervisor().ensure()
    first = gateway_home.identity
    gateway_home.record.write_text('{"identity": {"pid"')  # cut in the middle of writing
    await gateway_home.supervisor().ensure()
    assert not process_identity.is_alive(first)
    assert gateway_home.answers()


async def test_reused_pid_is_left_alone(gateway_home: GatewayHome) -> None:
    gateway_home.directory.mkdir(parents=True)
    with unrelated_process() as stranger:
        try:
            identity = process_identity.identify(stranger.pid)
            assert identity is not None
            entry = dataclasses.asdict(identity) | {"started": identity.started - 1}
            gateway_home.record.write_text(json.dumps({"identity": entry, "command": []}))
            keeper = gateway_home.supervisor()
            await keeper.ensure()
            await asyncio.to_thread(keeper.stop)
            assert process_identity.is_alive(identity)
        finally:
            stranger.kill()


async def test_a_port_in_use_is_reported_with_setting_and_port(gateway_home: GatewayHome) -> None:
    with (
        socket.create_server(("127.0.0.1", gateway_home.port)),
        pytest.raises(StartupError, match=rf"gateway_listen.*{gateway_home.port} is already in use"),
    ):
        await gateway_home.supervisor().ensure()
    assert not gateway_home.record.exists()


async def test_a_foreign_gateway_on_the_port_isnt_adopted(gateway_home: GatewayHome, tmp_path: Path) -> None:
    other = GatewayHome(tmp_path / "other")
    other.port = gateway_home.port
    await other.supervisor().ensure()
    theirs = other.identity
    with pytest.raises(StartupError, match="is already in use"):
        await gateway_home.supervisor().ensure()
    assert process_identity.is_alive(theirs)
    await asyncio.to_thread(other.supervisors[0].stop)


async def test_gateway_that_exits_at_once_reports_its_output(gateway_home: GatewayHome) -> None:
    gateway_home.directory.mkdir(parents=True)
    keeper = GatewayProcess(
        GatewaySpec(
            f"127.0.0.1:{gateway_home.port}", "127.0.0.1:1", gateway_home.directory, "localhost", sign_in="nonsense"
        )
    )
    gateway_home.supervisors.append(keeper)
    with pytest.raises(GatewayError, match=r"exited immediately.*nonsense"):
        await keeper.ensure()
    assert not any(process_identity.pids_with_variable("EPH_GATEWAY_OF", str(gateway_home.directory)))


def test_stopping_a_gateway_that_never_ran_does_nothing(tmp_path: Path) -> None:
    GatewayProcess(GatewaySpec("127.0.0.1:1", "127.0.0.1:1", tmp_path / "none", "localhost")).stop()
    assert list(tmp_path.iterdir()) == []


async def test_an_externally_supervised_gateway_is_awaited_and_never_stopped(gateway_home: GatewayHome) -> None:
    """O4: in a pod the gateway has a container of its own."""
    beside = ExternalGateway(
        GatewaySpec(f"127.0.0.1:{gateway_home.port}", "127.0.0.1:1", gateway_home.directory, "localhost"),
        timeout=0.1,
    )
    with pytest.raises(GatewayError, match="ephd --gateway"):
        await beside.ensure()
    assert not gateway_home.record.exists(), "none was started"
    await gateway_home.supervisor().ensure()
    await beside.ensure()
    beside.stop()
    assert gateway_home.answers()
