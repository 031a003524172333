"""The gateway as ephd keeps it: a process of its own that outlives a killed ephd, found again by its identity.

Previews must answer while ephd restarts; so the gateway is not a child that dies with it. Its record says who it is;
the next life adopts it when it lives and answers, and starts a new one when not. What it has to know lies in files.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from stacks import processes
from stacks.processes import Identity

_RECORD = "gateway.json"
_ALIVE = "/_eph/healthz"
START_SECONDS = 15.0
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Door:
    """``listen`` and ``control`` are host:port; ``directory`` holds routes/ and states.json."""

    listen: str
    control: str
    directory: Path
    domain: str

    @property
    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "orchestrator.gateway"),
            *("--listen", self.listen),
            *("--directory", str(self.directory)),
            *("--domain", self.domain),
            *("--control", f"http://{self.control}"),
        ]


class GatewayTrouble(RuntimeError):
    """The gateway does not come up; the message says why, as far as it said so itself."""


class Doorkeeper:
    def __init__(self, door: Door) -> None:
        self._door = door
        self._record = door.directory / _RECORD
        self._log = door.directory / "gateway.log"

    async def ensure(self) -> None:
        """Adopts the gateway of an earlier life, or starts one, and waits until it answers."""
        known = self._known()
        if known is not None and await self._answers():
            return
        self._end(known)
        started = self._start()
        async with asyncio.timeout(START_SECONDS):
            while not await self._answers():
                if started.poll() is not None:
                    raise GatewayTrouble(self._last_words())
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Ends it and waits: for an ephd that is asked to stop, and for the end of a demo."""
        self._end(self._known())

    async def keep(self, every: float) -> None:
        """Looks after it until cancelled."""
        while True:
            await asyncio.sleep(every)
            with contextlib.suppress(GatewayTrouble, TimeoutError, OSError):
                await self.ensure()

    def _start(self) -> subprocess.Popen[bytes]:
        self._door.directory.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            started = subprocess.Popen(
                self._door.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        identity = processes.identify(started.pid)
        if identity is not None:
            entry = {"identity": dataclasses.asdict(identity), "command": self._door.command}
            self._record.write_text(json.dumps(entry))
        return started

    def _known(self) -> Identity | None:
        """The recorded gateway, when it still lives and was started just as it would be now."""
        try:
            entry = json.loads(self._record.read_text())
            identity = Identity(**entry["identity"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if not processes.alive(identity):
            return None
        if entry.get("command") != self._door.command:
            self._end(identity)
            return None
        return identity

    def _end(self, identity: Identity | None) -> None:
        if identity is None:
            return
        processes.send(identity.pid, signal.SIGTERM)
        processes.wait_gone(identity, STOP_SECONDS)
        if processes.alive(identity):
            processes.send(identity.pid, signal.SIGKILL)
            processes.wait_gone(identity, STOP_SECONDS)
        self._record.unlink(missing_ok=True)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(identity.pid, os.WNOHANG)

    async def _answers(self) -> bool:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            try:
                return (await client.get(f"http://{self._door.listen}{_ALIVE}")).status_code == 200
            except httpx.HTTPError:
                return False

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        return lines[-1] if lines else "the gateway ended without a word"
