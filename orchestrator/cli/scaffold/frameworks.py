"""Apps whose framework is known: Django, FastAPI, Flask, Rails, Next.js, Vite, Node.js, Go, static sites."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.cli import wording
from orchestrator.cli.scaffold.detected_app import DetectedApp, DetectedService, mapping_of, read_json, read_text

WEB = "web"
PYTHON = ".venv/bin/"
_MAKE_VENV = "python3 -m venv .venv && .venv/bin/pip install --quiet"
_PYTHON_DRIVERS = frozenset({"psycopg", "psycopg2", "psycopg2-binary", "asyncpg", "pg8000"})
_PYTHON_MODULES = ("app", "main", "wsgi", "server", "app/main", "src/main", "app/__init__")
_NODE_DRIVERS = frozenset({"pg", "postgres", "prisma", "@prisma/client", "typeorm", "drizzle-orm"})
_MIGRATE_SCRIPTS = ("db:migrate", "migrate")
_SITE_FOLDERS = ("public", "dist", "site", "_site", "www", "htdocs")
_SETTINGS_MODULE = re.compile(r"DJANGO_SETTINGS_MODULE[\"']\s*,\s*[\"']([A-Za-z_][A-Za-z0-9_]*)")


def python_packages(folder: Path) -> frozenset[str]:
    """The names of the required packages, from requirements.txt or pyproject.toml."""
    lines = read_text(folder / "requirements.txt").splitlines()
    try:
        project = mapping_of(tomllib.loads(read_text(folder / "pyproject.toml")), "project")
    except (tomllib.TOMLDecodeError, RecursionError):
        project = {}
    listed = project.get("dependencies")
    lines += [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    return frozenset(re.split(r"[^a-z0-9_.-]", line.strip().lower())[0] for line in lines) - {""}


def python_build(folder: Path) -> str:
    if (folder / "requirements.txt").is_file():
        return f"{_MAKE_VENV} -r requirements.txt"
    return f"{_MAKE_VENV} ." if python_packages(folder) else ""


def python_app(folder: Path) -> DetectedApp | None:
    required = python_packages(folder)
    found = _django(folder, required) or _fastapi(folder, required) or _flask(folder, required)
    if found is None:
        return None
    framework, service, migrate = found
    database = bool(required & _PYTHON_DRIVERS)
    if not migrate and (folder / "alembic.ini").is_file():
        migrate = f"{PYTHON}alembic upgrade head"
    reason = wording.operator.framework_found(framework)
    return DetectedApp(reason, (service,), python_build(folder), migrate if database else "", database)


_Found = tuple[str, DetectedService, str]


def _django(folder: Path, required: frozenset[str]) -> _Found | None:
    if not (folder / "manage.py").is_file():
        return None
    python = f"{PYTHON}python" if required else "python3"
    project = _SETTINGS_MODULE.search(read_text(folder / "manage.py"))
    command = f"{python} manage.py runserver 127.0.0.1:$PORT"
    if "gunicorn" in required and project:
        command = f"{PYTHON}gunicorn {project[1]}.wsgi --bind 127.0.0.1:$PORT"
    return "Django", DetectedService(WEB, command), f"{python} manage.py migrate --noinput"


def _fastapi(folder: Path, required: frozenset[str]) -> _Found | None:
    module = _python_module(folder, "FastAPI")
    if "fastapi" not in required or not module:
        return None
    return "FastAPI", DetectedService(WEB, f"{PYTHON}uvicorn {module}:app --host 127.0.0.1 --port $PORT", "/docs"), ""


def _flask(folder: Path, required: frozenset[str]) -> _Found | None:
    module = _python_module(folder, "Flask")
    if "flask" not in required or not module:
        return None
    flask = f"{PYTHON}flask --app {module}"
    service = DetectedService(WEB, f"{flask} run --host 127.0.0.1 --port $PORT")
    return "Flask", service, f"{flask} db upgrade" if "flask-migrate" in required else ""


def _python_module(folder: Path, framework: str) -> str:
    """The module that creates the app, or else the first with a usual name."""
    files = [name for name in _PYTHON_MODULES if (folder / f"{name}.py").is_file()]
    creating = [name for name in files if f"{framework}(" in read_text(folder / f"{name}.py")]
    name = next(iter(creating or files), "")
    return name.removesuffix("/__init__").replace("/", ".")


def rails(folder: Path) -> DetectedApp | None:
    gems = read_text(folder / "Gemfile")
    if not re.search(r"^\s*gem\s+[\"']rails[\"']", gems, re.M) or not (folder / "bin" / "rails").is_file():
        return None
    health = "/up" if "rails/health" in read_text(folder / "config" / "routes.rb") else "/"
    command = "bundle exec rails server --binding 127.0.0.1 --port $PORT"
    build = "bundle config set --local path vendor/bundle && bundle install --quiet"
    database = bool(re.search(r"^\s*gem\s+[\"']pg[\"']", gems, re.M))
    service = DetectedService(WEB, command, health, {"RAILS_DEVELOPMENT_HOSTS": "{host}"})
    migrate = "bundle exec rails db:migrate" if database else ""
    return DetectedApp(wording.operator.framework_found("Rails"), (service,), build, migrate, database)


def node_tool(folder: Path) -> str:
    """The package manager that the lock file belongs to."""
    if (folder / "pnpm-lock.yaml").is_file():
        return "pnpm"
    return "yarn" if (folder / "yarn.lock").is_file() else "npm"


def node_build(folder: Path, scripts: bool) -> str:
    """``scripts``: whether there is a script `build`."""
    tool = node_tool(folder)
    install = f"{tool} install --frozen-lockfile"
    if tool == "npm":
        install = "npm ci" if (folder / "package-lock.json").is_file() else "npm install"
    return f"{install} && {tool} run build" if scripts else install


def _node_migrate(folder: Path, scripts: Mapping[str, Any]) -> str:
    """Prisma's own command, or else the repository's script."""
    if (folder / "prisma" / "migrations").is_dir():
        return "npx prisma migrate deploy"
    script = next((name for name in _MIGRATE_SCRIPTS if name in scripts), "")
    return f"{node_tool(folder)} run {script}" if script else ""


def node_app(folder: Path) -> DetectedApp | None:
    package = read_json(folder / "package.json")
    scripts = mapping_of(package, "scripts")
    packages = {*mapping_of(package, "dependencies"), *mapping_of(package, "devDependencies")}
    build = node_build(folder, "build" in scripts)
    database = bool(packages & _NODE_DRIVERS)
    migrate = _node_migrate(folder, scripts) if database else ""
    if "next" in packages and "build" in scripts:
        service = DetectedService(WEB, "npx next start --hostname 127.0.0.1 --port $PORT")
        return DetectedApp(wording.operator.framework_found("Next.js"), (service,), build, migrate, database)
    if "start" in scripts:
        return DetectedApp("package.json, start", (DetectedService(WEB, "npm start"),), build, migrate, database)
    if "vite" in packages and "build" in scripts:
        env = {"__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS": "{host}"}
        command = "npx vite preview --host 127.0.0.1 --port $PORT --strictPort"
        service = DetectedService(WEB, command, env=env)
        return DetectedApp(wording.operator.framework_found("Vite"), (service,), build, migrate, database)
    return None


def go_app(folder: Path) -> DetectedApp | None:
    module = read_text(folder / "go.mod")
    commands = sorted(file.parent for file in folder.glob("cmd/*/main.go"))
    if not module or not ((folder / "main.go").is_file() or len(commands) == 1):
        return None
    package = "." if (folder / "main.go").is_file() else f"./cmd/{commands[0].name}"
    database = "/lib/pq " in module or "/jackc/pgx" in module
    service = DetectedService(WEB, "./.eph-app")
    return DetectedApp("go.mod", (service,), f"go build -o .eph-app {package}", "", database)


def static_site(folder: Path) -> DetectedApp | None:
    """Only a folder that is meant to be published. An index.html at the root would publish the whole checkout."""
    for name in _SITE_FOLDERS:
        if (folder / name / "index.html").is_file():
            command = f"python3 -m http.server $PORT --bind 127.0.0.1 --directory {name}"
            return DetectedApp(f"{name}/index.html", (DetectedService(WEB, command),))
    return None
