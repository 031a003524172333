"""Maps hosts to upstreams: one small file per host, which the gateway reads. Written atomically."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from programs.kit import files, identifiers
from programs.spec import DEFAULT_TARGET


@dataclass(frozen=True, slots=True)
class PathRoute:
    """A path of a host that another upstream answers, with everything below it unless ``exact``."""

    path: str
    exact: bool
    upstream: str


@dataclass(frozen=True, slots=True)
class RouteRecord:
    host: str
    upstream: str
    environment: str
    service: str
    commit: str
    sign_in: bool = False
    asleep: bool = False
    """The upstream is stopped: the gateway holds requests until it has been started again."""
    health: str = ""
    """The path of the health check, which doesn't count as a visit."""
    target: str = DEFAULT_TARGET
    """The target that owns the route: all targets share the gateway's folder."""
    sole: bool = True
    """The upstream can be reached only through the gateway, so the gateway sees every visit."""
    allow: tuple[str, ...] = ()
    """Only these people can open it; empty: everyone who can sign in."""
    isolated: bool = False
    """The upstream's address is in the environment's own network namespace, not on this machine."""
    paths: tuple[PathRoute, ...] = ()
    """The longest one that matches answers a request, an exact one first; ``upstream`` answers all others."""


def write(folder: Path, route: RouteRecord) -> None:
    files.write(_path(folder, route.host), json.dumps(asdict(route)), mode=0o644)


def delete(folder: Path, host: str, environment: str, service: str) -> None:
    """Removes the host's route, unless it belongs to another service by now."""
    found = _read(_path(folder, host))
    if found and (found.environment, found.service) == (environment, service):
        _path(folder, host).unlink(missing_ok=True)


def exists(folder: Path, host: str) -> bool:
    return _path(folder, host).exists()


def list_routes(folder: Path, target: str = DEFAULT_TARGET) -> Iterator[RouteRecord]:
    if folder.is_dir():
        for path in sorted(folder.glob("*.json")):
            route = _read(path)
            if route and route.target == target:
                yield route


def list_of(folder: Path, environment: str, target: str = DEFAULT_TARGET) -> list[RouteRecord]:
    return [route for route in list_routes(folder, target) if route.environment == environment]


def delete_of(folder: Path, environment: str, target: str = DEFAULT_TARGET, keep: frozenset[str] = frozenset()) -> None:
    """Removes an environment's routes, except those of the hosts ``keep``."""
    for route in list_of(folder, environment, target):
        if route.host not in keep:
            delete(folder, route.host, environment, route.service)


def mark(folder: Path, environment: str, target: str = DEFAULT_TARGET, *, asleep: bool) -> None:
    mark_routes(folder, list_of(folder, environment, target), asleep=asleep)


def mark_routes(folder: Path, routes: Iterable[RouteRecord], *, asleep: bool) -> None:
    """With routes that were listed before, while there was time: that reads the routes of all environments."""
    for route in routes:
        if route.asleep != asleep:
            write(folder, replace(route, asleep=asleep))


def _path(folder: Path, host: str) -> Path:
    return folder / f"{identifiers.check_host(host)}.json"


def _read(path: Path) -> RouteRecord | None:
    try:
        return _from_json(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return None


def _from_json(data: dict[str, Any]) -> RouteRecord:
    paths = tuple(PathRoute(**item) for item in data.get("paths", ()))
    return RouteRecord(**{**data, "allow": tuple(data.get("allow", ())), "paths": paths})
