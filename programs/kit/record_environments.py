"""Environments that one server of Eph's serves from a folder of records: what exists of them, and their removal.

A record is a JSON file with the name of the host. Beside it, an environment has routes, a folder, a user, and a domain
while something of its repository runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from programs.kit import files, host_settings, identifiers, routes
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import domains, outbound, users
from programs.kit.processes import process_table, program_files, sandbox, shared_server, supervisor
from programs.kit.processes.shared_server import SharedServer


@dataclass(frozen=True, slots=True)
class RecordEnvironments:
    """``runner``: the settings with which the repository's code runs. ``records``: the environment of each record."""

    host: HostSettings
    runner: HostSettings
    target: str
    records: Mapping[Path, str]

    def remove(self, name: str) -> None:
        """The folder goes last, so that an interrupted removal is found again."""
        routes.delete_of(self.host.routes, name, self.target)
        for path, environment in self.records.items():
            if environment == name:
                path.unlink(missing_ok=True)
        domains.remove(self.runner, name)
        process_table.kill(process_table.started_for(self.host.env(name), f"{self.host.launches}/{name}."))
        files.remove(self.host.env(name))
        users.release(self.host, name)

    def list_names(self) -> frozenset[str]:
        """The environments of which anything exists."""
        host = self.host
        found = {path.name for path in host.envs.iterdir()} if host.envs.is_dir() else set()
        found |= self.list_routed() | set(self.records.values()) | set(users.list_reserved(host))
        found |= {name.partition(".")[2] for name in program_files.list_programs(host) if name.startswith("domain.")}
        return frozenset(name for name in found if identifiers.LABEL.fullmatch(name))

    def list_routed(self) -> frozenset[str]:
        return frozenset(route.environment for route in routes.list_routes(self.host.routes, self.target))


def ensure_server(host: HostSettings, runner: HostSettings, url: str, server: SharedServer) -> None:
    """Starts what all these environments share, unless it runs: the supervisor, the server, and what connects code of
    repositories with the outside. Idempotent."""
    files.make_folder(host.root)
    files.make_folder(server.folder)
    host_settings.save(host)
    sandbox.kind(host)
    supervisor.ensure(host)
    supervisor.replace_missing_launchers(host)
    outbound.ensure(runner, url)
    shared_server.ensure(host, server)
