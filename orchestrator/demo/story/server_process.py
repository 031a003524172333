"""``ephd`` as a process of its own, which a story can kill: with the demo's settings in a file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from orchestrator.demo import leak_check
from orchestrator.demo.story import wording
from orchestrator.demo.story.blackbox import StepFailed
from programs.kit import files
from programs.kit.processes import process_table
from stacks.toolchain.pulumi_cli import Toolchain

START_TIMEOUT = 120.0
STOP_TIMEOUT = 60.0
_POLL = 0.1


class ServerProcess:
    """``written``: the demo's settings. Settings in the environment have the higher priority, as for any ``ephd``."""

    def __init__(self, home: Path, api: str, written: Mapping[str, Any], tools: Toolchain) -> None:
        self._home, self._api = home, api
        self._log, self._config = home / "ephd.log", home / "eph.toml"
        self._environment = {**os.environ, "PATH": os.pathsep.join([tools.path, os.environ.get("PATH", os.defpath)])}
        self._process: subprocess.Popen[bytes] | None = None
        files.write(self._config, to_toml(written), mode=0o600)

    async def start(self) -> None:
        """Returns when it has looked at everything once. Raises StepFailed if it ends before that."""
        self._process = self._spawn()
        end = time.monotonic() + START_TIMEOUT
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            while not await self._is_ready(client):
                if self._process.poll() is not None or time.monotonic() > end:
                    raise StepFailed(wording.server_did_not_start(files.tail(self._log, 10)))
                await asyncio.sleep(_POLL)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "orchestrator.app", "--config", str(self._config)]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self._api}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Without a warning. Its gateway, its supervisor and its databases go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def kill_gateway(self) -> None:
        """``ephd`` starts another one."""
        for pid in self._gateways():
            os.kill(pid, signal.SIGKILL)

    async def stop(self) -> None:
        """As an operator stops it, and its gateway, which would otherwise go on serving previews."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
        end = time.monotonic() + STOP_TIMEOUT
        for pid in self._gateways():
            os.kill(pid, signal.SIGTERM)
        while self._gateways() and time.monotonic() < end:
            time.sleep(_POLL)

    def _gateways(self) -> list[int]:
        marked = leak_check.processes(f"{self._home}/eph/gateway")
        return [pid for pid in marked if "orchestrator.gateway" in process_table.command_line(pid)]


def to_toml(settings: Mapping[str, Any]) -> str:
    """``settings`` as a file for ``ephd --config``."""
    return "".join(f"{json.dumps(key)} = {_toml_value(value)}\n" for key, value in settings.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, timedelta):
        return json.dumps(f"{value.total_seconds():.0f}s")
    return json.dumps(str(value) if isinstance(value, Path) else value)
