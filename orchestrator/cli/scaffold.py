"""Generates a first eph.yaml for a repository: its files determine the command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli import wording

TEMPLATE = """\
# How this repository gets its preview environments. `eph validate` checks it.
version: "1.0"
name: {name}

# A pull request with this label gets an environment.
triggers:
  - type: pr_label
    labels: ["preview"]

environment:
  # Counted from the last push. `eph extend NAME 24h` adds a day.
  ttl: 72h

# Prepares a checkout; runs once per commit.
{build}
services:
  - name: web
    # It must listen on 127.0.0.1 at $PORT. The database's URL is in $DATABASE_URL.
    command: {command}
    health:
      # Ready means a 2xx response, or a redirect within the environment that ends in one.
      path: /

# Each environment gets its own PostgreSQL database.
database:
{database}
  # Fill it with `template` and `migrate`:
  # instances:
  #   - name: main
  #     template:
  #       strategy: seed
  #       seed:
  #         scripts: ["./db/schema.sql"]
  #     migrate: "make migrate"
"""


@dataclass(frozen=True, slots=True)
class DetectedApp:
    """``reason`` names what in the repository determined the command."""

    command: str
    reason: str
    build: str = ""
    database: bool = False


def repository_root(start: Path) -> Path:
    """The repository's root, or the folder itself if it isn't in a repository."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return start


def detect(folder: Path) -> DetectedApp:
    for look in _DETECTORS:
        found = look(folder)
        if found is not None:
            return found
    return DetectedApp("python3 -m http.server $PORT --bind 127.0.0.1", wording.operator.NO_FRAMEWORK)


def render_eph_yaml(folder: str, app: DetectedApp) -> str:
    build = f"build: {json.dumps(app.build)}\n" if app.build else '# build: "make build"\n'
    database = "  instances:\n    - name: main" if app.database else "  enabled: false"
    return TEMPLATE.format(name=project_name(folder), command=json.dumps(app.command), build=build, database=database)


def project_name(folder: str) -> str:
    """Lowercase letters, digits and single dashes, starting with a letter, short enough for a host name with the
    words."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")
    name = name if name[:1].isalpha() else f"app-{name}"
    return name[:22].strip("-") or "app"


def _procfile(folder: Path) -> DetectedApp | None:
    for line in _read_lines(folder / "Procfile"):
        kind, _, command = line.partition(":")
        if kind.strip() == "web" and command.strip().isprintable() and command.strip():
            return DetectedApp(command.strip()[:1000], "Procfile, web")
    return None


def _package_json(folder: Path) -> DetectedApp | None:
    try:
        package = json.loads("\n".join(_read_lines(folder / "package.json")) or "{}")
        scripts = package.get("scripts", {})
        if "start" not in scripts:
            return None
        install = "npm ci" if (folder / "package-lock.json").exists() else "npm install"
        build = f"{install} && npm run build" if "build" in scripts else install
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    return DetectedApp("npm start", "package.json, start", build)


def _django(folder: Path) -> DetectedApp | None:
    if not (folder / "manage.py").is_file():
        return None
    return DetectedApp("python3 manage.py runserver 127.0.0.1:$PORT", "manage.py")


PYTHON_INSTALL = "python3 -m venv .venv && .venv/bin/pip install --quiet -r requirements.txt"
_PYTHON_SERVERS = (
    ("fastapi", "uvicorn", ".venv/bin/uvicorn {module}:app --host 127.0.0.1 --port $PORT"),
    ("flask", "flask", ".venv/bin/flask --app {module} run --host 127.0.0.1 --port $PORT"),
    ("django", "django", ".venv/bin/python manage.py runserver 127.0.0.1:$PORT"),
)
_PYTHON_MODULES = ("app", "main", "wsgi", "server")


def _python(folder: Path) -> DetectedApp | None:
    """By a framework in requirements.txt, which is installed into the checkout."""
    required = {re.split(r"[^a-z0-9_-]", line.strip().lower())[0] for line in _read_lines(folder / "requirements.txt")}
    modules = [name for name in _PYTHON_MODULES if (folder / f"{name}.py").is_file()]
    for framework, server, command in _PYTHON_SERVERS:
        startable = (folder / "manage.py").is_file() if framework == "django" else bool(modules)
        if {framework, server} <= required and startable:
            found = command.format(module=modules[0] if modules else "")
            has_database = bool(required & _PYTHON_DRIVERS)
            return DetectedApp(found, wording.operator.framework_found(framework), PYTHON_INSTALL, has_database)
    return None


_PYTHON_DRIVERS = frozenset({"psycopg", "psycopg2", "psycopg2-binary", "asyncpg", "pg8000"})


def _go(folder: Path) -> DetectedApp | None:
    if not ((folder / "go.mod").is_file() and (folder / "main.go").is_file()):
        return None
    return DetectedApp("./.eph-app", "go.mod", "go build -o .eph-app .")


_DETECTORS: tuple[Callable[[Path], DetectedApp | None], ...] = (_procfile, _package_json, _python, _django, _go)


def _read_lines(file: Path) -> list[str]:
    try:
        with file.open(errors="replace") as opened:
            return opened.read(256 * 1024).splitlines()
    except OSError:
        return []
