"""Maps hosts to upstreams: one small file per host, which the gateway reads. Written atomically."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from programs.kit import files, identifiers
from programs.kit.host_settings import HostSettings
from programs.spec import DEFAULT_TARGET


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


def write(settings: HostSettings, route: RouteRecord) -> None:
    files.write(_path(settings, route.host), json.dumps(asdict(route)), mode=0o644)


def delete(settings: HostSettings, host: str, environment: str, service: str) -> None:
    """Removes the host's route, unless it belongs to another service by now."""
    found = _read(_path(settings, host))
    if found and (found.environment, found.service) == (environment, service):
        _path(settings, host).unlink(missing_ok=True)


def exists(settings: HostSettings, host: str) -> bool:
    return _path(settings, host).exists()


def list_routes(settings: HostSettings, target: str = DEFAULT_TARGET) -> Iterator[RouteRecord]:
    if settings.routes.is_dir():
        for path in sorted(settings.routes.glob("*.json")):
            route = _read(path)
            if route and route.target == target:
                yield route


def _path(settings: HostSettings, host: str) -> Path:
    return settings.routes / f"{identifiers.check_host(host)}.json"


def _read(path: Path) -> RouteRecord | None:
    try:
        return RouteRecord(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
