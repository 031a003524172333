"""Repositories that describe containers: Docker Compose files, Helm charts, kustomizations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.cli.scaffold.detected_app import DetectedApp, mapping_of, read_text

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_NOT_FOR_BROWSERS = frozenset({22, 1025, 3306, 5432, 5672, 6379, 9092, 11211, 27017})
_CHART_FOLDERS = (".", "chart", "helm", "charts/*", "deploy/chart", "deploy/helm", "deploy/charts/*")
_OVERLAYS = ("preview", "previews", "review", "dev", "development", "staging")
_KUSTOMIZE_ROOTS = ("k8s", "kubernetes", "kustomize", "deploy", "deploy/k8s", "manifests", ".")
_SERVICE = re.compile(r"[a-z]([a-z0-9]|-(?!-)){0,28}[a-z0-9]|[a-z]")


def compose_file(folder: Path) -> DetectedApp | None:
    name = next((name for name in COMPOSE_FILES if (folder / name).is_file()), "")
    public = list(_public_services(_read_yaml(folder / name))) if name else []
    if not public:
        return None
    section = {"files": [name], "public": [{"service": service, "port": port} for service, port in public]}
    return DetectedApp(name, target="compose", section=section)


def _public_services(data: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Services that publish a port, except the usual ones of databases and queues."""
    for name, service in mapping_of(data, "services").items():
        ports = service.get("ports") if isinstance(service, dict) else None
        found = [number for item in ports if (number := _container_port(item))] if isinstance(ports, list) else []
        port = next((number for number in found if number not in _NOT_FOR_BROWSERS), 0)
        if port and _SERVICE.fullmatch(str(name)):
            yield name, port


def _container_port(item: Any) -> int:
    """``8080:80``, ``80/tcp``, ``${PORT:-8080}:80`` or a mapping with ``target``; 0 if it isn't clear."""
    written = str(item.get("target", "") if isinstance(item, dict) else item)
    found = re.fullmatch(r"(?:.*:)?(\d{1,5})(?:/tcp)?", written)
    return int(found[1]) if found and 0 < int(found[1]) < 65536 else 0


def helm_chart(folder: Path) -> DetectedApp | None:
    for pattern in _CHART_FOLDERS:
        for file in sorted(folder.glob(f"{pattern}/Chart.yaml")):
            return _manifests(folder, file.parent, "Chart.yaml")
    return None


def kustomization(folder: Path) -> DetectedApp | None:
    """The overlay for previews, or else another one for development, or else the base."""
    for root in _KUSTOMIZE_ROOTS:
        for name in (*(f"overlays/{overlay}" for overlay in _OVERLAYS), "base", "."):
            if (folder / root / name / "kustomization.yaml").is_file():
                return _manifests(folder, folder / root / name, "kustomization.yaml")
    return None


def _manifests(root: Path, folder: Path, file: str) -> DetectedApp:
    place = folder.resolve().relative_to(root.resolve()).as_posix()
    reason = file if place == "." else f"{place}/{file}"
    return DetectedApp(reason, target="kubernetes", section={"manifests": [place if place == "." else f"./{place}"]})


def _read_yaml(file: Path) -> Mapping[str, Any]:
    from ruamel.yaml import YAML

    try:
        found = YAML(typ="safe").load(read_text(file))
    except Exception:  # noqa: BLE001 - the library raises all kinds of errors on broken input
        return {}
    return found if isinstance(found, dict) else {}
