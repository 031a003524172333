"""What is at an environment's address: a redirect to the project's URL, or a page with its outputs.

Visitors reach the project itself, wherever it runs; Eph's gateway checks who they are and sends them there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from programs.kit import files, identifiers, routes
from programs.kit.isolation import domains, users
from programs.kit.processes import process_table, program_files, shared_server
from programs.kit.routes import RouteRecord
from programs.targets.program import settings
from programs.targets.program.project_outputs import ProjectAddresses
from programs.targets.program.settings import ProgramHost

TARGET_NAME = "program"
SERVICE = "web"
SERVER = "addresses"


def publish(host: ProgramHost, name: str, props: Any, found: ProjectAddresses, plan: str) -> None:
    record = {
        "environment": name,
        "commit": props["commit"],
        "location": found.location,
        "outputs": {**found.urls, **found.shown},
        "plan": plan,
    }
    files.write(host.pages / f"{identifiers.check_host(props['host'])}.json", json.dumps(record))
    route = RouteRecord(
        props["host"],
        shared_server.upstream(host, SERVER),
        name,
        SERVICE,
        props["commit"],
        sign_in=bool(props["sign_in"]),
        allow=tuple(props["allow"]),
        target=TARGET_NAME,
        sole=False,
    )
    routes.write(host.routes, route)


def remove(host: ProgramHost, name: str) -> None:
    """The folder goes last, so that an interrupted removal is found again."""
    for route in list(routes.list_routes(host.routes, TARGET_NAME)):
        if route.environment == name:
            routes.delete(host.routes, route.host, name, route.service)
    for path, environment in _records(host).items():
        if environment == name:
            path.unlink(missing_ok=True)
    domains.remove(settings.run_host(host), name)
    process_table.kill(process_table.started_for(host.env(name), f"{host.launches}/{name}."))
    files.remove(host.env(name))
    users.release(host, name)


def list_names(host: ProgramHost) -> frozenset[str]:
    """The environments of which anything exists."""
    found = {path.name for path in host.envs.iterdir()} if host.envs.is_dir() else set()
    found |= {route.environment for route in routes.list_routes(host.routes, TARGET_NAME)}
    found |= set(_records(host).values()) | set(users.list_reserved(host))
    found |= {name.partition(".")[2] for name in program_files.list_programs(host) if name.startswith("domain.")}
    return frozenset(name for name in found if identifiers.LABEL.fullmatch(name))


def list_complete(host: ProgramHost) -> frozenset[str]:
    """The environments whose address answers."""
    routed = {route.environment for route in routes.list_routes(host.routes, TARGET_NAME)}
    return frozenset(routed & set(_records(host).values()))


def _records(host: ProgramHost) -> dict[Path, str]:
    """The environment of each record."""
    return {path: _environment(path) for path in sorted(host.pages.glob("*.json"))}


def _environment(record: Path) -> str:
    try:
        return str(json.loads(record.read_text())["environment"])
    except FileNotFoundError:
        return ""
