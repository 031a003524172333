"""Folders of services that outlive pushes, restarts and sleep. They are removed with their environment.

A volume's folder is named after its path in the service, so the next commit finds the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from programs.kit import files, identifiers
from programs.kit.isolation import users
from programs.kit.processes import sandbox
from programs.targets.local.settings import LocalSettings


def create(
    settings: LocalSettings, environment: str, service: str, paths: Iterable[str]
) -> tuple[tuple[Path, str], ...]:
    """The folders and where the service sees them. Those that exist keep their content."""
    return tuple(
        (_ensure(settings, environment, _folder(settings, environment, service, path)), path) for path in paths
    )


def _folder(settings: LocalSettings, environment: str, service: str, path: str) -> Path:
    identifiers.check_label(service, "service")
    return settings.env(environment) / "volumes" / service / hashlib.sha256(path.encode()).hexdigest()[:12]


def _ensure(settings: LocalSettings, environment: str, folder: Path) -> Path:
    """Its owner is checked each time, because an operation may have been killed before it gave the folder away."""
    files.make_folder(folder)
    if sandbox.kind(settings) != "none":
        user = users.reserve(settings, environment)
        if folder.stat().st_uid != user:
            users.give(folder, user)
    return folder
