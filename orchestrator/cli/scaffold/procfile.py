"""Procfile: `web` becomes the public service, `release` the migration, everything else a worker."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.cli.scaffold.detected_app import DetectedApp, DetectedService, read_text
from orchestrator.cli.scaffold.frameworks import WEB, go_app, node_app, node_build, python_app, python_build, rails

MAX_COMMAND = 1000
MAX_WORKERS = 5
_VENV = 'export PATH="$PWD/.venv/bin:$PATH"; '
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")


def procfile(folder: Path) -> DetectedApp | None:
    commands = _commands(folder)
    if WEB not in commands:
        return None
    framework = next((found for look in (python_app, rails, node_app, go_app) if (found := look(folder))), None)
    build, database = _build(folder, framework), framework is not None and framework.database
    release = commands.pop("release", "")
    if release and not database:
        build, release = " && ".join(filter(None, (build, release))), ""
    if (folder / ".venv").exists() or ".venv/bin/pip" in build:
        commands = {name: f"{_VENV}{command}" for name, command in commands.items()}
        release = f"{_VENV}{release}" if release else ""
    migrate = release or (framework.migrate if framework and database else "")
    workers = [name for name in commands if name != WEB][:MAX_WORKERS]
    web = framework.services[0] if framework else DetectedService(WEB, "")
    services = [DetectedService(WEB, commands[WEB], web.health, web.env)]
    services += [DetectedService(name, commands[name], health="") for name in workers]
    return DetectedApp("Procfile, web", tuple(services), build, migrate, database)


def _build(folder: Path, framework: DetectedApp | None) -> str:
    if framework is not None:
        return framework.build
    return python_build(folder) or (node_build(folder, False) if (folder / "package.json").is_file() else "")


def _commands(folder: Path) -> dict[str, str]:
    found = {}
    for line in read_text(folder / "Procfile").splitlines():
        kind, _, command = line.partition(":")
        name = re.sub(r"[^a-z0-9]+", "-", kind.strip().lower()).strip("-")
        if _NAME.fullmatch(name) and command.strip() and command.strip().isprintable():
            found[name] = command.strip()[:MAX_COMMAND]
    return found
