"""``ephd`` as people start it, with a small Git host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from orchestrator.demo import leak_check
from orchestrator.demo.free_ports import free_port
from orchestrator.demo.github.demo_github import DemoGitHub
from programs.targets.local.target import TARGET
from stacks.toolchain import pulumi_cli

READY_SECONDS = 90.0


class EphdHarness:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.api_port, self.gateway_port = free_port(), free_port()
        self.forge = DemoGitHub(home / "forge")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = home / "ephd.log"
        self.environment: dict[str, str] = {}
        """More variables of ephd and of commands."""

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

    def variables(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("EPH_", "PULUMI_", "XDG_"))}
        path = os.pathsep.join([pulumi_cli.find().path, os.environ["PATH"]])
        return {**kept, "PATH": path, "XDG_CONFIG_HOME": str(self.home / "config"), **self.environment}

    def eph(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs the client, which finds this ephd."""
        return subprocess.run(
            [sys.executable, "-m", "orchestrator.cli.main", *words],
            env={**self.variables(), **variables}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            life = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.app", "--config", str(self.home / "eph.toml")],
                env=self.variables(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes.append(life)
        return life

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        assert process is self.processes[-1]
        self.wait_until(lambda: httpx.get(f"http://127.0.0.1:{self.api_port}/readyz", trust_env=False))

    def wait_until(self, request: Callable[[], httpx.Response]) -> None:
        """Until the newest ephd responds with 200."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            assert self.processes[-1].poll() is None, self.log.read_text()
            try:
                if request().status_code == 200:
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
