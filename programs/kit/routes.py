"""Which upstream answers for which host: one small file each, that the gateway reads. Whole or absent, never half."""

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
    """What it leads to was stopped: the gateway holds who comes until it is started again."""
    health: str = ""
    """The path of its health check, which is no visit."""
    target: str = DEFAULT_TARGET
    """Whose it is: the gateway has one folder for the environments of all targets."""
    sole: bool = True
    """There is no other way to it than by the gateway, so who does not come by here does not come at all."""


def write(settings: HostSettings, route: RouteRecord) -> None:
    files.write(_path(settings, route.host), json.dumps(asdict(route)), mode=0o644)


def delete(settings: HostSettings, host: str, environment: str, service: str) -> None:
    """Removes the host's route, unless the host is another's by now."""
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
