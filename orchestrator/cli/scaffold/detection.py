"""Which app a repository contains: the first detector that recognizes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.cli import wording
from orchestrator.cli.scaffold import frameworks
from orchestrator.cli.scaffold.detected_app import DetectedApp
from orchestrator.cli.scaffold.monorepo import monorepo
from orchestrator.cli.scaffold.procfile import procfile
from programs import registry
from programs.spec import DEFAULT_TARGET

_PROCESSES: tuple[Callable[[Path], DetectedApp | None], ...] = (
    procfile,
    frameworks.python_app,
    frameworks.rails,
    frameworks.node_app,
    frameworks.go_app,
)


def detect(folder: Path, target: str = "") -> DetectedApp:
    """``target``: only what runs there. Without services and section if nothing is recognized."""
    matching = (app for app in _detected(folder) if target in ("", app.target))
    return next(matching, DetectedApp(wording.operator.NO_FRAMEWORK, target=target or DEFAULT_TARGET))


def other_targets(folder: Path, app: DetectedApp) -> list[DetectedApp]:
    """What else the repository contains, once for each other target."""
    found = {item.target: item for item in reversed(list(_detected(folder)))}
    return [item for target, item in sorted(found.items()) if target != app.target]


def _detected(folder: Path) -> Iterator[DetectedApp]:
    """Processes first: the default target needs no cluster and no container engine. Apps in subfolders come after what
    describes the repository as a whole."""
    yield from (app for look in _PROCESSES if (app := look(folder)) is not None)
    for name, description in sorted(registry.descriptions().items()):
        found = description.detect(folder)
        if found is not None:
            yield DetectedApp(found.reason, target=name, section=found.section)
    yield from (app for look in (monorepo, frameworks.static_site) if (app := look(folder)) is not None)
