"""A start that must fail: one sentence each, and nothing left behind. O4 in small, L2."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.running import running
from orchestrator.app.system import System
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.demo.free_ports import free_port
from orchestrator.runtime.server.addresses import StartupError, open_listener
from stacks.toolchain.pulumi_cli import Toolchain


def settings(home: Path, **more: Any) -> ServerSettings:
    token = home.parent / "token"
    token.write_text("t" * 40)
    token.chmod(0o600)
    forge = {"url": "http://127.0.0.1:1", "token_file": token, "repositories": ["acme/shop"]}
    return ServerSettings(home=home, listen=f"127.0.0.1:{free_port()}", forge=forge, **more)


def ask(config: ServerSettings) -> bytes:
    with socket.create_connection(config.listen_address, timeout=5) as there:
        there.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return there.recv(100)


async def start_ephd(config: ServerSettings, tools: Toolchain) -> None:
    async with running(config, tools):
        pytest.fail("it started")


async def test_taken_port_is_reported_with_its_setting_before_anything_changes(
    tmp_path: Path, tools: Toolchain
) -> None:
    told = settings(tmp_path / "home")
    with (
        socket.create_server(told.listen_address),
        pytest.raises(
            StartupError, match=rf"listen = {told.listen}: port {told.listen_address[1]} is already in use.*EPH_LISTEN"
        ),
    ):
        await start_ephd(told, tools)
    assert not (tmp_path / "home").exists()


async def test_second_ephd_on_one_home_is_refused(tmp_path: Path, tools: Toolchain) -> None:
    told = settings(tmp_path / "home")
    told.home.mkdir()
    with (told.home / "ephd.lock").open("a+") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StartupError, match=r"another ephd \(process 4711\) uses"):
            await start_ephd(told, tools)
    open_listener("listen", told.listen).close()


async def test_failed_start_stops_what_it_started(
    tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = settings(tmp_path / "home")
    answered = []

    async def broken(_: object) -> None:
        """By now the API responds."""
        answered.append(await asyncio.to_thread(ask, told))
        raise RuntimeError("the target does not come up")

    monkeypatch.setattr(System, "prepare", broken)
    with pytest.raises(RuntimeError, match="does not come up"):
        await start_ephd(told, tools)
    assert b"200" in answered[0]
    open_listener("listen", told.listen).close()
    assert {task.get_name() for task in asyncio.all_tasks()} & {"api", "loop", "notifier", "gateway"} == set()
    with (told.home / "ephd.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_foreign_listen_address_is_reported() -> None:
    with pytest.raises(StartupError, match="use an address of this machine"):
        open_listener("listen", "192.0.2.1:8080")


@pytest.mark.real
def test_ephd_without_configuration_says_in_one_sentence_what_is_missing(tmp_path: Path) -> None:
    """Issue 18: it was a traceback. Nothing is created before the sentence."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EPH_")}
    command = [sys.executable, "-m", "orchestrator.app"]
    home = tmp_path / "home"
    done = subprocess.run(command, env={**kept, "EPH_HOME": str(home)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    [sentence] = done.stderr.splitlines()
    assert "EPH_FORGE__APP_ID" in sentence
    assert "docs/how-to/github-app.md" in sentence
    assert not home.exists()
