"""The gateway as ephd keeps it: a process of its own that outlives a killed ephd, found again by its identity.

Previews must answer while ephd restarts; so the gateway is not a child that dies with it. Its record says who it is;
the next life adopts it when it lives and answers, and starts a new one when not. What it has to know lies in files. One
whose record was lost is found by a mark in its environment; no other process is ever ended.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from orchestrator.app.addresses import StartTrouble, check_free
from stacks import processes
from stacks.processes import Identity

log = logging.getLogger("eph.door")

MARK = "EPH_GATEWAY_OF"
_RECORD = "gateway.json"
_ALIVE = "/_eph/healthz"
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Loopback speaks plain HTTP; a context of its own for each question would stop the loop for 30 ms each time."""
START_SECONDS = 15.0
PATIENCE_SECONDS = 10.0
STOP_SECONDS = 5.0
NEIGHBOUR_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Door:
    """``listen`` and ``control`` are host:port; ``directory`` holds routes/ and states.json."""

    listen: str
    control: str
    directory: Path
    domain: str
    tokens: Path | None = None
    sign_in: str = "off"
    proxies: tuple[str, ...] = ()
    shared: bool = False
    """Several ephd keep it, each with an address of its own: a file says which of them leads."""

    @property
    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "orchestrator.gateway"),
            *("--listen", self.listen),
            *("--directory", str(self.directory)),
            *("--domain", self.domain),
            *(("--control-file", str(self.control_file)) if self.shared else ("--control", f"http://{self.control}")),
            *(("--tokens", str(self.tokens)) if self.tokens else ()),
            *("--sign-in", self.sign_in),
            *(word for network in self.proxies for word in ("--trusted-proxy", network)),
        ]

    @property
    def control_file(self) -> Path:
        return self.directory / "control"


class GatewayTrouble(StartTrouble):
    """The gateway does not come up; the message says why, as far as it said so itself."""


class Doorkeeper:
    def __init__(self, door: Door) -> None:
        self._door = door
        self._record = door.directory / _RECORD
        self._log = door.directory / "gateway.log"
        self._started: subprocess.Popen[bytes] | None = None

    async def ensure(self) -> None:
        """Adopts the gateway of an earlier life, or starts one, and waits until it answers."""
        known = await asyncio.to_thread(self._known)
        if known is not None and await self._answers_while(lambda: processes.alive(known), PATIENCE_SECONDS):
            return
        started = await asyncio.to_thread(self._replace)
        if await self._answers_while(lambda: started.poll() is None, START_SECONDS):
            return
        ended = started.poll() is not None
        await asyncio.to_thread(self.stop)
        what = "ended at once" if ended else f"gave no answer within {START_SECONDS:.0f} s"
        raise GatewayTrouble(f"the gateway {what}: {self._last_words()}")

    def stop(self) -> None:
        """Ends it and waits: for an ephd that is asked to stop, and for the end of a demo."""
        for identity in self._ours():
            self._end(identity)
        self._record.unlink(missing_ok=True)

    async def keep(self, every: float) -> None:
        """Looks after it until cancelled."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.ensure()
            except Exception:  # it is tried again, for as long as ephd lives
                log.exception("the gateway is not up")

    def control(self, url: str) -> None:
        """Tells a gateway that several ephd share which of them to ask."""
        self._door.directory.mkdir(parents=True, exist_ok=True)
        fresh = self._door.control_file.with_suffix(".new")
        fresh.write_text(url)
        fresh.replace(self._door.control_file)

    def _replace(self) -> subprocess.Popen[bytes]:
        self.stop()
        check_free("gateway_listen", self._door.listen)
        return self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._door.directory.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log_file:
            started = subprocess.Popen(
                self._door.command,
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                start_new_session=True,
                env={**os.environ, MARK: str(self._door.directory)},
            )
        if self._started is not None:
            self._started.poll()
        self._started = started
        identity = processes.identify(started.pid)
        if identity is not None:
            entry = {"identity": dataclasses.asdict(identity), "command": self._door.command}
            fresh = self._record.with_suffix(".new")
            fresh.write_text(json.dumps(entry))
            fresh.replace(self._record)
        return started

    def _known(self) -> Identity | None:
        """The recorded gateway, when it still lives and was started just as it would be now."""
        entry = self._entry()
        identity = _identity(entry)
        if identity is None or entry.get("command") != self._door.command or not processes.alive(identity):
            return None
        return identity

    def _ours(self) -> list[Identity]:
        """Every gateway of this directory that lives: the recorded one, and any whose record was lost."""
        recorded = _identity(self._entry())
        found = {recorded} if recorded is not None and processes.alive(recorded) else set()
        marked = processes.marked(MARK, str(self._door.directory))
        return [*found.union(identity for pid in marked if (identity := processes.identify(pid)) is not None)]

    def _entry(self) -> dict[str, Any]:
        try:
            entry = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}

    def _end(self, identity: Identity) -> None:
        processes.send(identity.pid, signal.SIGTERM)
        if not processes.wait_gone(identity, STOP_SECONDS):
            processes.send(identity.pid, signal.SIGKILL)
            processes.wait_gone(identity, STOP_SECONDS)
        if self._started is not None and self._started.pid == identity.pid:
            self._started.wait()

    async def _answers_while(self, lives: Callable[[], bool], seconds: float) -> bool:
        """Whether it answers before the time is over; a busy one is not replaced for a late answer."""
        end = monotonic() + seconds
        while lives() and monotonic() < end:
            if await self._answers():
                return True
            await asyncio.sleep(0.05)
        return False

    async def _answers(self) -> bool:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=_NO_TLS) as client:
            try:
                return (await client.get(f"http://{self._door.listen}{_ALIVE}")).status_code == 200
            except httpx.HTTPError:
                return False

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        return lines[-1] if lines else f"it said nothing in {self._log}"


class Neighbour(Doorkeeper):
    """A gateway that something else keeps, such as a container of its own: it is waited for, never started or ended."""

    async def ensure(self) -> None:
        if not await self._answers_while(lambda: True, NEIGHBOUR_SECONDS):
            raise GatewayTrouble(
                f"no gateway answers at {self._door.listen}; the setting gateway = beside says that something starts "
                "one there, by: ephd --gateway"
            )

    def stop(self) -> None:
        """Whoever started it ends it."""


def _identity(entry: dict[str, Any]) -> Identity | None:
    try:
        return Identity(**entry["identity"])
    except (TypeError, KeyError):
        return None
