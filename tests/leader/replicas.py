"""Two real ephd of one PostgreSQL, one shared folder, one gateway and one sandbox forge, told apart from outside.

Each replica reaches the database by a line of its own, which can be cut without a goodbye. Webhooks go to ``b``, which
follows at first. Every ``pulumi`` is noted with the replica that began it (``tests.chaos.audit``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from orchestrator.app.demo import leftovers
from orchestrator.forge.sandbox.world import free_port
from tests.chaos.audit import Audit
from tests.e2e import site as sites
from tests.e2e.site import CYCLE as CYCLE
from tests.e2e.site import ROOT, Site, until
from tests.ledger import servers
from tests.ledger.servers import Line, Server

SOON = 15.0
"""O2: another takes over within 15 s."""


@dataclass(slots=True)
class Replica:
    name: str
    home: Path
    port: int
    line: Line
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0
    stopped: bool = field(default=False)

    @property
    def log(self) -> Path:
        return self.home.with_name(f"{self.name}.{self.lives}.log")

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, number: int) -> float:
        assert self.process
        self.process.send_signal(number)
        return time.time()


class Pair(Site):
    """A site whose ephd are two; ``eph_home`` is what they share."""

    def __init__(self, home: Path, server: Server, ends: contextlib.ExitStack) -> None:
        super().__init__(home)
        self.server, self.database = server, server.database()
        self.audit = Audit(home / "audit")
        lines = [ends.enter_context(servers.line(server.port)) for _ in "ab"]
        self.a = Replica("a", home / "a", free_port(), lines[0])
        self.b = Replica("b", home / "b", self.api_port, lines[1])

    def start(self) -> None:
        self._tools = str(self.audit.install(self.tools.pulumi))
        self.begin(self.a)
        until("a leads", lambda: "" if self.leader() == "a" else self.said(), 60)
        self.begin(self.b)

    def begin(self, replica: Replica) -> None:
        if replica.process:
            replica.process.wait(10)
        replica.lives += 1
        config = self.home / f"{replica.name}.toml"
        config.write_text(self._config(replica))
        with replica.log.open("wb") as log:
            replica.process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.app", "--config", str(config)],
                cwd=ROOT, env={**self.environ, "REPLICA": replica.name}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until(f"{replica.name} is ready", lambda: self._unready(replica), 60)

    def _unready(self, replica: Replica) -> str:
        assert replica.process
        assert replica.process.poll() is None, replica.said()
        try:
            return "" if self.http.get(f"http://127.0.0.1:{replica.port}/readyz").status_code == 200 else "not ready"
        except httpx.HTTPError as error:
            return f"{error}; {replica.said()[-2000:]}"

    def _config(self, replica: Replica) -> str:
        self.ledger_url = self.server.url(self.database, replica.line.port)
        alone = super()._toml().replace(f'home = "{self.eph_home}"', f'home = "{replica.home}"')
        listen = alone.replace(f"127.0.0.1:{self.api_port}", f"127.0.0.1:{replica.port}")
        return f'{listen}[replicas]\nlease = "postgres"\nshared = "{self.eph_home}"\n'

    @property
    def environ(self) -> dict[str, str]:
        found = super().environ
        return {**found, "PATH": os.pathsep.join([self._tools, found["PATH"]])}

    # --- looking

    def said(self) -> str:
        return "\n".join(f"--- {each.name}\n{each.said()[-3000:]}" for each in (self.a, self.b) if each.lives)

    def row(self) -> tuple[int, str]:
        """Epoch and address of the one lease, by the database itself."""
        with self.server.session(self.database) as session:
            found = session.execute("SELECT epoch, address FROM leases WHERE holder <> ''").fetchone()
        return (int(str(found[0])), str(found[1])) if found else (0, "")

    def leader(self) -> str:
        try:
            address = self.row()[1]
        except Exception as error:  # noqa: BLE001 - the database may be gone, or its tables not there yet
            return type(error).__name__
        return next((each.name for each in (self.a, self.b) if address.endswith(f":{each.port}")), "")

    def taken_over(self, by: Replica, since: float) -> float:
        """Seconds from that moment until it leads."""
        until(f"{by.name} leads", lambda: "" if self.leader() == by.name else self.said(), SOON + 30)
        return time.time() - since

    def ask(self, replica: Replica, path: str, method: str = "GET", **query: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.api_token}"}
        url = f"http://127.0.0.1:{replica.port}/{path}"
        return self.http.request(method, url, params=query, headers=headers, timeout=30)

    def began(self, replica: Replica, since: float) -> list[str]:
        """What pulumi it began after that moment."""
        return [
            f"{entry['verb']} of {entry['stack']}"
            for entry in self.audit.entries()
            if entry["replica"] == replica.name and float(str(entry["at"])) > since
        ]

    def building(self, number: int) -> bool:
        found = next((self.eph_home / "local" / "envs").glob(f"*-{number}"), None)
        return found is not None and any(found.glob("src/*/building"))

    # --- the end

    def stop(self) -> int:
        for each in (self.a, self.b):
            if each.process and each.process.poll() is None:
                each.send(signal.SIGCONT)
                each.send(signal.SIGTERM)
        return max(each.process.wait(60) for each in (self.a, self.b) if each.process)


@contextlib.contextmanager
def opened() -> Iterator[Pair]:
    with contextlib.ExitStack() as ends:
        server = ends.enter_context(servers.server())
        home = Path(tempfile.mkdtemp(prefix="eph-replicas-"))
        ends.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)
        pair = Pair(home, server, ends)
        pair.daemon = None
        try:
            pair.open()
            yield pair
        finally:
            pair.stop()
            pair.close()
            left = [pid for pid in leftovers.processes(str(home)) if sites._stays(pid)]
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert left == []
