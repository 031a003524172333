"""Environments on this machine, assembled from the local target's own parts, without Pulumi."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from programs.kit.database import binaries
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import domains, servers
from programs.kit.isolation.sockets import Dialer
from programs.kit.processes import command_runner, process_table
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.targets.local import service_volumes, supervised_services
from programs.targets.local.supervised_services import ServiceProcess
from programs.targets.local.target import TARGET
from programs.targets.local.v1.places import CheckoutProvider, HomeProvider
from programs.targets.local.v1.serving import RouteProvider
from tests.targets.local_machine import APP, LocalMachine, Repository

SHOP, BLOG = "shop-1", "blog-2"
PORT = 20001
GENERATION = "aaaaaaaaaaaa-bbbbbb"


class Isolated:
    """A machine on which environments are assembled from the target's own parts, without Pulumi."""

    def __init__(
        self, machine: LocalMachine, repository: Repository, more_files: Mapping[str, str] | None = None
    ) -> None:
        self.machine = machine
        self.here = machine.settings
        self.repository = repository
        self.generation = GENERATION
        self.commit = repository.push({"app.py": APP, "version.txt": "one", **(more_files or {})})
        TARGET.ensure(machine.raw_settings)

    def push(self, changes: dict[str, str]) -> None:
        """From now on, workspaces have these files, in a generation of their own."""
        self.commit = self.repository.push(changes)
        self.generation = f"{self.commit[:12]}-bbbbbb"

    def workspace(self, name: str) -> Workspace:
        props = {"root": str(self.here.root), "environment": name, "generation": self.generation}
        folder = self.here.env(name)
        place = Workspace(folder / "src" / self.generation, folder / "home")
        if not place.home.exists():
            HomeProvider().make(self.here, props)
        if not place.checkout.exists():
            clone = {"clone_url": str(self.repository.bare), "commit": self.commit}
            CheckoutProvider().make(self.here, {**props, **clone})
        return Workspace(place.checkout, place.home, domain=domains.ensure(self.here, name))

    def serve(
        self,
        name: str,
        command: str = "exec python3 app.py",
        seconds: int = 10,
        path: str = "/version",
        volumes: tuple[str, ...] = (),
        origin: str = "",
        **env: str,
    ) -> None:
        """An empty ``path`` makes it a worker."""
        env = {**env, "PORT": str(PORT), "EPH_COMMIT": self.commit}
        service = ServiceProcess(self.program(name), command, PORT, path, seconds, env, origin=origin)
        workspace = service_volumes.mounted(self.here, self.workspace(name), service.program, volumes)
        supervised_services.start(self.here, workspace, service)

    def program(self, name: str) -> ProgramName:
        return ProgramName(name, "web", self.generation)

    def route(self, name: str) -> None:
        props = {"root": str(self.here.root), "environment": name, "host": f"{name}.localhost", "service": "web"}
        RouteProvider().make(self.here, {**props, "commit": "c", "port": PORT, "sign_in": False, "health": "/version"})

    def run(self, name: str, command: str, **env: str) -> str:
        """The output of a command in the environment."""
        slug = "attack"
        command_runner.run(self.here, name, self.workspace(name), CommandRun("attack", slug, command, 20, env))
        return (self.here.env(name) / "logs" / f"{slug}.log").read_text()

    def python(self, name: str, code: str, **env: str) -> str:
        return self.run(name, f"python3 - <<'END'\n{code}\nEND", **env)

    def get(self, name: str, path: str = "/version") -> str:
        with Dialer(servers.folder(self.here), name) as dialer, dialer.connect(PORT, 5) as made:
            made.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: made.recv(65536), b""))
        return answer.decode().partition("\r\n\r\n")[2]

    def process_ids(self, name: str) -> list[int]:
        """All processes in the environment's network, whatever they did to hide. A launcher that hasn't joined it yet
        is still in the machine's."""
        found = process_table.started_for(self.here.env(name), "-")
        spaces = {_network(pid) for pid in found} - {_network(os.getpid())}
        return [pid for pid in process_table.pids() if _network(pid) in spaces]


def _network(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return str(pid)


def psql() -> str:
    """The path of psql."""
    folder = binaries.binaries_folder()
    if folder is None or not (folder / "psql").exists():
        pytest.skip("psql isn't installed")
    return str(folder / "psql")
