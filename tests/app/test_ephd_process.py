"""``ephd`` as people start it: ready, stopped by SIGTERM, and what is left is what must keep running (L2).

The gateway outlives it, and so does what the target keeps running for previews: they respond while ephd restarts.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.demo import leak_check
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.github.demo_github import DemoGitHub
from programs.targets.local.target import TARGET
from stacks.toolchain import pulumi_cli

pytestmark = pytest.mark.real

READY_SECONDS = 90.0
STOP_SECONDS = 15.0


class EphdHarness:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.api_port, self.gateway_port = free_port(), free_port()
        self.forge = DemoGitHub(home / "forge")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = home / "ephd.log"

    def prepare(self) -> None:
        self.forge.start()
        self.forge.create_repository("acme/shop", {"README.md": "# Shop"})
        token = self.home / "token"
        token.write_text(self.forge.token("eph-bot"))
        token.chmod(0o600)
        (self.home / "eph.toml").write_text(
            f'home = "{self.home / "eph"}"\ninterval = 1\nlisten = "127.0.0.1:{self.api_port}"\n'
            f'gateway_listen = "127.0.0.1:{self.gateway_port}"\n'
            f'[forge]\nurl = "{self.forge.api_url}"\ntoken_file = "{token}"\nrepositories = ["acme/shop"]\n'
        )

    def start(self) -> subprocess.Popen[bytes]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("EPH_", "PULUMI_", "XDG_"))}
        path = os.pathsep.join([pulumi_cli.find().path, os.environ["PATH"]])
        with self.log.open("ab") as log:
            life = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.app", "--config", str(self.home / "eph.toml")],
                env={**kept, "PATH": path, "XDG_CONFIG_HOME": str(self.home / "config")},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes.append(life)
        return life

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            assert process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{self.api_port}/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        pytest.fail(f"not ready within {READY_SECONDS:.0f} s: {self.log.read_text()}")

    def gateway_answers(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.gateway_port}/_eph/healthz", trust_env=False).status_code == 200

    def target(self) -> dict[str, str]:
        return {"root": str(self.home / "eph/local"), "routes": str(self.home / "eph/gateway/routes")}

    def gateways(self) -> set[int]:
        return set(leak_check.processes(f"EPH_GATEWAY_OF={self.home / 'eph/gateway'}"))

    def close(self) -> None:
        for life in self.processes:
            if life.poll() is None:
                life.kill()
            life.wait(10)
        TARGET.stop(self.target())
        for pid in self.gateways():
            os.kill(pid, signal.SIGTERM)
        self.forge.close()


@pytest.fixture
def ephd() -> Iterator[EphdHarness]:
    home = Path(tempfile.mkdtemp(prefix="eph-daemon-"))
    home.chmod(0o755)
    made = EphdHarness(home)
    try:
        made.prepare()
        yield made
    finally:
        made.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.long
def test_gets_ready_stops_within_fifteen_seconds_and_leaves_the_gateway(ephd: EphdHarness) -> None:
    life = ephd.start()
    ephd.wait_ready(life)
    began = time.monotonic()
    life.send_signal(signal.SIGTERM)
    assert life.wait(60) == 0
    assert time.monotonic() - began < STOP_SECONDS
    assert ephd.gateway_answers()
    TARGET.stop(ephd.target())
    assert set(leak_check.processes(str(ephd.home / "eph"))) == ephd.gateways()
    assert not (ephd.home / "config/eph/current.json").exists()

    again = ephd.start()
    before = ephd.gateways()
    ephd.wait_ready(again)
    assert ephd.gateways() == before
    second = ephd.start()
    assert second.wait(60) == 1
    assert f"port {ephd.api_port} is already in use" in ephd.log.read_text()
    assert "Traceback" not in ephd.log.read_text()
    again.send_signal(signal.SIGTERM)
    assert again.wait(60) == 0
