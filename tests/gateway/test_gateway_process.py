"""The gateway as a process: it listens, responds, and stops on request (L5: holds requests to a sleeping preview)."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from orchestrator.demo.free_ports import free_port


def start(directory: Path, port: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "orchestrator.gateway", "--listen", f"127.0.0.1:{port}"]
    return subprocess.Popen([*command, "--directory", str(directory), *more], stderr=subprocess.PIPE, text=True)


def test_it_starts_answers_and_stops_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    with start(tmp_path, port) as process:
        assert process.stderr is not None
        assert f"listens on http://127.0.0.1:{port}" in process.stderr.readline()
        assert httpx.get(f"http://127.0.0.1:{port}/_eph/healthz").json()["ok"] is True
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_it_imports_neither_the_planner_nor_settings() -> None:
    """L5: people wait for the gateway's start after an upgrade. Half of it was imports that it doesn't use."""
    code = (
        "import sys, orchestrator.gateway.__main__\n"
        "packages = ('pydantic', 'stacks', 'orchestrator.core.planning', 'orchestrator.core.model', 'programs.spec')\n"
        "print(*(name for name in packages if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


def test_its_command_line_protects_and_shows_no_token(tmp_path: Path) -> None:
    """S5: the token is in a file, so it isn't in any process list."""
    token = "x" * 32
    tokens = tmp_path / "previews.token"
    tokens.write_text(token)
    (tmp_path / "states.json").write_text('{"hosts": {"a.localhost": {"phase": "creating"}}}')
    port = free_port()
    with start(tmp_path, port, "--tokens", str(tokens), "--sign-in", "all") as process:
        assert process.stderr is not None
        assert "listens" in process.stderr.readline()
        url, host = f"http://127.0.0.1:{port}/", {"Host": "a.localhost"}
        assert httpx.get(url, headers=host).status_code == 401
        assert httpx.get(url, headers={**host, "X-Eph-Preview-Token": token}).status_code == 503
        process.send_signal(signal.SIGTERM)
        assert token not in process.stderr.read()


def test_exits_when_its_folder_is_removed(tmp_path: Path) -> None:
    """L2: nothing would stop the gateway of a home that is gone."""
    home = tmp_path / "home"
    home.mkdir()
    port = free_port()
    with start(home, port) as process:
        assert process.stderr is not None
        assert "listens" in process.stderr.readline()
        shutil.rmtree(home)
        assert process.wait(60) == 0


def test_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(tmp_path, port) as process:
            assert process.stderr is not None
            said = process.stderr.read()
    assert process.returncode == 1
    assert f"can't listen on 127.0.0.1:{port}" in said
    assert "Traceback" not in said


@pytest.mark.long
async def test_two_hundred_cold_requests_are_two_hundred_answers_and_one_wake(tmp_path: Path) -> None:
    """A killed gateway still knows who used what, and which wake requests there were."""
    (tmp_path / "routes").mkdir()
    (tmp_path / "states.json").write_text('{"hosts": {}}')
    route, traffic = tmp_path / "routes" / "a.localhost.json", tmp_path / "traffic.json"
    upstream = await asyncio.start_server(_hello, "127.0.0.1", 0)
    told = {"upstream": f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}", "asleep": True}
    route.write_text(json.dumps(told))
    port = free_port()
    with start(tmp_path, port) as process:
        assert process.stderr is not None
        assert "listens" in process.stderr.readline()
        async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=200), trust_env=False) as client:
            url, host = f"http://127.0.0.1:{port}/", {"Host": "a.localhost"}
            asked = [asyncio.create_task(client.get(url, headers=host)) for _ in range(200)]
            while not json.loads(traffic.read_text())["knocks"]:
                await asyncio.sleep(0.02)
            knock = json.loads(traffic.read_text())["knocks"]["a.localhost"]
            await asyncio.sleep(0.3)
            assert not any(task.done() for task in asked)
            beside = route.with_suffix(".new")
            beside.write_text(json.dumps({**told, "asleep": False}))
            beside.replace(route)
            assert [answer.text for answer in await asyncio.gather(*asked)] == ["hello"] * 200
        process.kill()
    upstream.close()
    with start(tmp_path, port) as process:
        assert process.stderr is not None
        assert "listens" in process.stderr.readline()
        known = json.loads(traffic.read_text())
        assert known["knocks"]["a.localhost"] >= knock
        assert knock <= known["hosts"]["a.localhost"] < known["until"], "it was not used since, and it watches on"
        process.terminate()


async def _hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()
