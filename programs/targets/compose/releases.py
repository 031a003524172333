"""A release: what the engine needs to run one generation of an environment again, kept in the environment's folder.

``project.json`` is the project for Docker Compose, ``plan.json`` says what is public and what starts after what, and
``files/`` has the archives that are copied into new containers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from programs.kit import files
from programs.targets.compose.publication import PublicRoute
from programs.targets.compose.settings import ComposeHost

COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class PlannedService:
    """``after``: the services that it waits for, with Compose's condition. ``completes``: it ends by itself, because
    another service waits for that."""

    after: Mapping[str, str]
    completes: bool = False


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """``upstreams``: the address and port of each public service."""

    services: Mapping[str, PlannedService]
    routes: tuple[PublicRoute, ...]
    upstreams: Mapping[str, str]


def folder(host: ComposeHost, name: str, generation: str) -> Path:
    return host.env(name) / "releases" / generation


def save(place: Path, project: Mapping[str, Any], plan: ReleasePlan, archives: Mapping[str, bytes]) -> None:
    """The plan is written last: a release without one is incomplete."""
    files.remove(place)
    for service, archive in archives.items():
        path = place / "files" / f"{service}.tar"
        files.make_folder(path.parent)
        path.write_bytes(archive)
    files.write(place / "project.json", json.dumps(project))
    files.write(place / "plan.json", json.dumps(asdict(plan)))


def read_plan(place: Path) -> ReleasePlan | None:
    try:
        data = json.loads((place / "plan.json").read_text())
    except FileNotFoundError:
        return None
    return ReleasePlan(
        {name: PlannedService(**item) for name, item in data["services"].items()},
        tuple(PublicRoute(**item) for item in data["routes"]),
        data["upstreams"],
    )


def plan_services(project: Mapping[str, Any]) -> dict[str, PlannedService]:
    after = {
        name: {other: str(item["condition"]) for other, item in (service.get("depends_on") or {}).items()}
        for name, service in project["services"].items()
    }
    completing = {other for waits in after.values() for other, condition in waits.items() if condition == COMPLETED}
    return {name: PlannedService(waits, name in completing) for name, waits in after.items()}


def live_generation(host: ComposeHost, name: str) -> str:
    """The generation that last became healthy; empty if none did."""
    try:
        return str(json.loads((host.env(name) / "live.json").read_text())["generation"])
    except FileNotFoundError:
        return ""


def live_plan(host: ComposeHost, name: str) -> ReleasePlan | None:
    generation = live_generation(host, name)
    return read_plan(folder(host, name, generation)) if generation else None


def set_live(host: ComposeHost, name: str, generation: str) -> None:
    """And removes the other releases."""
    files.write(host.env(name) / "live.json", json.dumps({"generation": generation}))
    for path in (host.env(name) / "releases").iterdir():
        if path.name != generation:
            files.remove(path)


def read_project(place: Path) -> dict[str, Any]:
    return dict(json.loads((place / "project.json").read_text()))
