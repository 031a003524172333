"""Which app a repository contains: the first detector that recognizes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchestrator.cli import wording
from orchestrator.cli.scaffold import container_files, frameworks
from orchestrator.cli.scaffold.detected_app import DetectedApp
from orchestrator.cli.scaffold.procfile import procfile

_DETECTORS: tuple[Callable[[Path], DetectedApp | None], ...] = (
    procfile,
    frameworks.python_app,
    frameworks.rails,
    frameworks.node_app,
    frameworks.go_app,
    container_files.compose_file,
    container_files.helm_chart,
    container_files.kustomization,
    frameworks.static_site,
)
"""Processes come first: the target `local` needs no cluster and no container engine."""


def detect(folder: Path, target: str = "") -> DetectedApp:
    """``target``: only what runs there. Without services and section if nothing is recognized."""
    found = (app for look in _DETECTORS if (app := look(folder)) is not None)
    matching = (app for app in found if target in ("", app.target))
    return next(matching, DetectedApp(wording.operator.NO_FRAMEWORK, target=target or "local"))


def other_targets(folder: Path, app: DetectedApp) -> list[DetectedApp]:
    """What else the repository contains, once for each other target."""
    found = {item.target: item for look in reversed(_DETECTORS) if (item := look(folder)) is not None}
    return [item for target, item in sorted(found.items()) if target != app.target]
