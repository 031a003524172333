"""Two real ephd with one PostgreSQL, one shared folder, one gateway and one sandbox forge, observed from outside.

Requests between them use TLS. Each replica has its own connection to the database, which can be cut silently. Webhooks
go to ``b``, which is the follower at first. Every ``pulumi`` process is recorded with the replica that started it
(``tests.chaos.overlap_audit``).
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

from orchestrator.demo.free_ports import free_port
from tests.chaos.overlap_audit import OverlapAudit
from tests.e2e.site import CYCLE as CYCLE
from tests.e2e.site import ROOT, Site, wait_until
from tests.e2e.survivors import kill_survivors
from tests.gateway.certificates import CertificateAuthority
from tests.ledger import postgres_server
from tests.ledger.postgres_server import CuttableProxy, PostgresServer

TAKEOVER_SECONDS = 15.0
"""O2: another takes over within 15 s."""


@dataclass(slots=True)
class Replica:
    name: str
    home: Path
    port: int
    tls_port: int
    database_proxy: CuttableProxy
    process: subprocess.Popen[bytes] | None = None
    start_count: int = 0
    stopped: bool = field(default=False)

    @property
    def log(self) -> Path:
        return self.home.with_name(f"{self.name}.{self.start_count}.log")

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def send_signal(self, number: int) -> float:
        assert self.process
        self.process.send_signal(number)
        return time.time()


class ReplicaPair(Site):
    """A site with two ephd; ``eph_home`` is what they share."""

    def __init__(self, home: Path, server: PostgresServer, exit_stack: contextlib.ExitStack) -> None:
        super().__init__(home)
        self.server, self.database = server, server.create_database()
        self.audit = OverlapAudit(home / "audit")
        lines = [exit_stack.enter_context(postgres_server.cuttable_proxy(server.port)) for _ in "ab"]
        self.a = Replica("a", home / "a", free_port(), free_port(), lines[0])
        self.b = Replica("b", home / "b", self.api_port, free_port(), lines[1])
        self.authority = CertificateAuthority(home, ("localhost",))
        self.authority.issue()
        (home / "ca.crt").write_text(self.authority.text)

    def start(self) -> None:
        self._tools = str(self.audit.install(self.tools.pulumi))
        self.start_replica(self.a)
        wait_until("a leads", lambda: "" if self.leader_name() == "a" else self.log_tail(), 60)
        self.start_replica(self.b)

    def start_replica(self, replica: Replica) -> None:
        if replica.process:
            replica.process.wait(60)
        replica.start_count += 1
        config = self.home / f"{replica.name}.toml"
        config.write_text(self._config(replica))
        with replica.log.open("wb") as log:
            replica.process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.app", "--config", str(config)],
                cwd=ROOT, env={**self.environ, "REPLICA": replica.name}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(f"{replica.name} is ready", lambda: self._readiness_error(replica), 60)

    def _readiness_error(self, replica: Replica) -> str:
        assert replica.process
        assert replica.process.poll() is None, replica.log_text()
        try:
            return "" if self.http.get(f"http://127.0.0.1:{replica.port}/readyz").status_code == 200 else "not ready"
        except httpx.HTTPError as error:
            return f"{error}; {replica.log_text()[-2000:]}"

    def _config(self, replica: Replica) -> str:
        self.ledger_url = self.server.url(self.database, replica.database_proxy.port)
        alone = super()._toml().replace(f'home = "{self.eph_home}"', f'home = "{replica.home}"')
        listen = alone.replace(f"127.0.0.1:{self.api_port}", f"127.0.0.1:{replica.port}")
        return (
            f'{listen}[replicas]\nlease = "postgres"\nshared = "{self.eph_home}"\n'
            f'url = "https://localhost:{replica.tls_port}"\nlisten = "127.0.0.1:{replica.tls_port}"\n'
            f'certificate_file = "{self.authority.certificate_file}"\nkey_file = "{self.authority.key_file}"\n'
            f'ca_file = "{self.home / "ca.crt"}"\n'
        )

    @property
    def environ(self) -> dict[str, str]:
        found = super().environ
        return {**found, "PATH": os.pathsep.join([self._tools, found["PATH"]])}

    # --- inspection

    def log_tail(self) -> str:
        return "\n".join(f"--- {each.name}\n{each.log_text()[-3000:]}" for each in (self.a, self.b) if each.start_count)

    def lease_row(self) -> tuple[int, str]:
        """Epoch and address of the lease, from the database itself."""
        with self.server.session(self.database) as session:
            found = session.execute("SELECT epoch, address FROM leases WHERE holder <> ''").fetchone()
        return (int(str(found[0])), str(found[1])) if found else (0, "")

    def leader_name(self) -> str:
        try:
            address = self.lease_row()[1]
        except Exception as error:  # noqa: BLE001 - the database may be gone, or its tables not there yet
            return type(error).__name__
        return next((each.name for each in (self.a, self.b) if address.endswith(f":{each.tls_port}")), "")

    def wait_for_takeover(self, replica: Replica, since: float) -> float:
        """Seconds from that time until it leads."""
        wait_until(
            f"{replica.name} leads",
            lambda: "" if self.leader_name() == replica.name else self.log_tail(),
            TAKEOVER_SECONDS + 30,
        )
        return time.time() - since

    def request(self, replica: Replica, path: str, method: str = "GET", **query: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.api_token}"}
        url = f"http://127.0.0.1:{replica.port}/{path}"
        return self.http.request(method, url, params=query, headers=headers, timeout=30)

    def request_gateway(self, path: str) -> httpx.Response:
        """At the gateway's own name."""
        headers = {"Authorization": f"Bearer {self.api_token}"}
        return self.http.get(f"http://127.0.0.1:{self.gateway_port}/{path}", headers=headers, timeout=30)

    def operations_since(self, replica: Replica, since: float) -> list[str]:
        """The pulumi operations that it started after that time."""
        return [
            f"{entry['verb']} of {entry['stack']}"
            for entry in self.audit.entries()
            if entry["replica"] == replica.name and float(str(entry["at"])) > since
        ]

    def is_building(self, number: int) -> bool:
        found = next((self.eph_home / "local" / "envs").glob(f"*-{number}"), None)
        return found is not None and any(found.glob("src/*/building"))

    # --- shutdown

    def stop(self) -> int:
        for each in (self.a, self.b):
            if each.process and each.process.poll() is None:
                each.send_signal(signal.SIGCONT)
                each.send_signal(signal.SIGTERM)
        return max(each.process.wait(60) for each in (self.a, self.b) if each.process)


@contextlib.contextmanager
def running_pair() -> Iterator[ReplicaPair]:
    with contextlib.ExitStack() as ends:
        server = ends.enter_context(postgres_server.running_server())
        home = Path(tempfile.mkdtemp(prefix="eph-replicas-"))
        ends.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)
        pair = ReplicaPair(home, server, ends)
        pair.daemon = None
        try:
            pair.open()
            yield pair
        finally:
            pair.stop()
            pair.close()
            left = kill_survivors(home)
        assert left == {}
