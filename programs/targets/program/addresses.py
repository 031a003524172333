"""What is at an environment's address: a redirect to the project's URL, or a page with its outputs.

Visitors reach the project itself, wherever it runs; Eph's gateway checks who they are and sends them there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from programs.kit import files, identifiers, routes
from programs.kit.processes import shared_server
from programs.kit.record_environments import RecordEnvironments
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
    _environments(host).remove(name)


def list_names(host: ProgramHost) -> frozenset[str]:
    return _environments(host).list_names()


def list_complete(host: ProgramHost) -> frozenset[str]:
    """The environments whose address answers."""
    found = _environments(host)
    return found.list_routed() & frozenset(found.records.values())


def _environments(host: ProgramHost) -> RecordEnvironments:
    return RecordEnvironments(host, settings.run_host(host), TARGET_NAME, _records(host))


def _records(host: ProgramHost) -> dict[Path, str]:
    """The environment of each record."""
    return {path: _environment(path) for path in sorted(host.pages.glob("*.json"))}


def _environment(record: Path) -> str:
    try:
        return str(json.loads(record.read_text())["environment"])
    except FileNotFoundError:
        return ""
