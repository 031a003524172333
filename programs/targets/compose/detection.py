"""Which section of eph.yaml a repository's compose file suggests, for a first eph.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from programs.eph_yaml.target_section import DetectedSection

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
MAX_CHARACTERS = 256 * 1024
_NOT_FOR_BROWSERS = frozenset({22, 1025, 3306, 5432, 5672, 6379, 9092, 11211, 27017})
_SERVICE = re.compile(r"[a-z]([a-z0-9]|-(?!-)){0,28}[a-z0-9]|[a-z]")


def detect(folder: Path) -> DetectedSection | None:
    name = next((name for name in FILES if (folder / name).is_file()), "")
    public = list(_public_services(_services(folder / name))) if name else []
    if not public:
        return None
    listed = [{"service": service, "port": port} for service, port in public]
    return DetectedSection(name, {"files": [name], "public": listed})


def _services(file: Path) -> dict[Any, Any]:
    try:
        with file.open(errors="replace") as opened:
            found = YAML(typ="safe", pure=True).load(opened.read(MAX_CHARACTERS))
    except (OSError, YAMLError, ValueError, RecursionError):
        return {}
    services = found.get("services") if isinstance(found, dict) else None
    return services if isinstance(services, dict) else {}


def _public_services(services: dict[Any, Any]) -> Iterator[tuple[str, int]]:
    """Services that publish a port, except the usual ones of databases and queues."""
    for name, service in services.items():
        ports = service.get("ports") if isinstance(service, dict) else None
        found = [number for item in ports if (number := _container_port(item))] if isinstance(ports, list) else []
        port = next((number for number in found if number not in _NOT_FOR_BROWSERS), 0)
        if port and isinstance(name, str) and _SERVICE.fullmatch(name):
            yield name, port


def _container_port(item: Any) -> int:
    """``8080:80``, ``80/tcp``, ``${PORT:-8080}:80`` or a mapping with ``target``; 0 if it isn't clear."""
    written = str(item.get("target", "") if isinstance(item, dict) else item)
    found = re.fullmatch(r"(?:.*:)?(\d{1,5})(?:/tcp)?", written)
    return int(found[1]) if found and 0 < int(found[1]) < 65536 else 0
