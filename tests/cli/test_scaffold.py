"""``eph init``: a repository's files determine its first eph.yaml (P5, issue 14 item 16)."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import scaffold
from orchestrator.cli.main import app
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.offline_check import check
from orchestrator.config.eph_yaml.parsing import parse

SERVE = "python3 -m http.server $PORT --bind 127.0.0.1 --directory"
DJANGO = "Django\npsycopg2\n"
PYTHON = ".venv/bin/python"
RUN_FLASK = ".venv/bin/flask --app app"
FLASK = "from flask import Flask\n\napp = Flask(__name__)\n"
NEXT = '{"dependencies": {"next": "15", "pg": "8"}, "scripts": {"build": "next build", "start": "next start"}}'
VITE = '{"devDependencies": {"vite": "7"}, "scripts": {"build": "vite build", "dev": "vite"}}'
MANAGE = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
PYPROJECT = "[project]\nname = 'shop'\ndependencies = ['fastapi[standard]>=0.1', 'asyncpg']\n"


def written(folder: Path, files: dict[str, str], target: str = "") -> EphYaml:
    """The file for a repository with these files; it is valid for its target, and names only files that exist."""
    made = scaffold_text(folder, files, target)
    assert check(made, root=folder).problems == ()
    return parse(made).config


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"Procfile": 'web: gunicorn shop:app --bind :$PORT "a: b" # c\n'}, "gunicorn shop:app --bind :$PORT"),
        ({"package.json": '{"scripts": {"start": "node .", "build": "tsc"}}', "package-lock.json": ""}, "npm start"),
        ({"package.json": NEXT}, "npx next start"),
        ({"package.json": VITE}, "npx vite preview"),
        ({"package.json": "{", "manage.py": ""}, "python3 manage.py runserver 127.0.0.1:$PORT"),
        ({"manage.py": MANAGE, "requirements.txt": "Django\ngunicorn\n"}, ".venv/bin/gunicorn shop.wsgi"),
        ({"requirements.txt": "Flask==3\n", "wsgi.py": "", "app/__init__.py": FLASK}, ".venv/bin/flask --app app run"),
        ({"pyproject.toml": PYPROJECT, "app/main.py": "app = FastAPI()"}, ".venv/bin/uvicorn app.main:app"),
        ({"Gemfile": 'gem "rails"\ngem "pg"\n', "bin/rails": ""}, "bundle exec rails server"),
        ({"package.json": '{"scripts": {"test": "x"}}', "go.mod": "module x\n", "main.go": ""}, "./.eph-app"),
        ({"go.mod": "module x\n", "cmd/shop/main.go": ""}, "./.eph-app"),
        (
            {"index.html": "", "public/index.html": ""},
            "python3 -m http.server $PORT --bind 127.0.0.1 --directory public",
        ),
    ],
)
def test_a_known_app_gets_its_command(tmp_path: Path, files: dict[str, str], command: str) -> None:
    (service,) = written(tmp_path, files).services
    assert (service.command or "").startswith(command)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"index.html": "<h1>Hello</h1>", "README.md": "secret"},
        {"package.json": "[]"},
        {"package.json": '{"scripts": []}'},
        {"Procfile": "web:\nweb: \x1b[31m\nworker: x\n"},
        {"requirements.txt": "flask\n"},
        {"pyproject.toml": "= broken", "compose.yaml": "services: [", "Gemfile": "rails"},
        {"compose.yaml": "services: {db: {image: postgres, ports: ['5432:5432']}}"},
        {"compose.yaml": "services: {web: {image: x}}"},
    ],
)
def test_nothing_is_published_by_guessing(tmp_path: Path, files: dict[str, str]) -> None:
    """The file says what to fill in, and isn't valid before that."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    text = scaffold.render_eph_yaml("shop", scaffold.detect(tmp_path))
    assert parse(text.encode()).config.services == ()
    (problem,) = check(text.encode()).problems
    assert "needs at least one service" in problem


def test_a_procfile_has_workers_and_a_release_command(tmp_path: Path) -> None:
    """Issue 14 item 10: `release` runs for every commit, with the database if there is one."""
    procfile = "web: gunicorn shop.wsgi\nclock_job: python clock.py\nrelease: python manage.py migrate\n"
    files = {"Procfile": procfile, "manage.py": MANAGE, "requirements.txt": "django\npsycopg[binary]\ngunicorn\n"}
    config = written(tmp_path, files)
    web, clock = config.services
    assert (web.name, clock.name, clock.public, clock.health.enabled) == ("web", "clock-job", False, False)
    (instance,) = config.database.instances
    assert instance.migrate is not None
    assert instance.migrate.command == 'export PATH="$PWD/.venv/bin:$PATH"; python manage.py migrate'
    (tmp_path / "requirements.txt").write_text("django\n")
    config = written(tmp_path, {})
    assert config.database.instances == ()
    assert config.build is not None
    assert config.build.command.endswith("-r requirements.txt && python manage.py migrate")


@pytest.mark.parametrize(
    ("files", "migrate"),
    [
        (
            {"manage.py": MANAGE, "requirements.txt": "django\npsycopg2\n"},
            ".venv/bin/python manage.py migrate --noinput",
        ),
        ({"pyproject.toml": PYPROJECT, "main.py": "", "alembic.ini": ""}, ".venv/bin/alembic upgrade head"),
        (
            {"requirements.txt": "flask\nflask-migrate\npsycopg\n", "app.py": FLASK},
            f"{RUN_FLASK} db upgrade",
        ),
        ({"Gemfile": "gem 'rails'\ngem 'pg'\n", "bin/rails": ""}, "bundle exec rails db:migrate"),
        ({"package.json": NEXT, "prisma/migrations/1/m.sql": ""}, "npx prisma migrate deploy"),
    ],
)
def test_a_framework_with_a_driver_gets_a_database_and_its_migrations(
    tmp_path: Path, files: dict[str, str], migrate: str
) -> None:
    (instance,) = written(tmp_path, files).database.instances
    assert instance.migrate is not None
    assert instance.migrate.command == migrate
    # Issue 14 item 10: these migrations create the tables that a seed fills.
    text = scaffold_text(tmp_path, files).decode()
    head, found, seed = text.partition("      # order: migrate-first\n")
    (seeded,) = parse((head + (found + seed).replace("      # ", "      ")).encode()).config.database.instances
    assert (seeded.order, seeded.template.strategy) == ("migrate-first", "seed")


def test_a_compose_file_lists_what_people_can_open(tmp_path: Path) -> None:
    text = """
services:
  db: {image: postgres, ports: ["5432:5432"]}
  web: {build: ., ports: ["127.0.0.1:8080:80/tcp"]}
  api: {build: ., ports: [{target: 3000}]}
  mail: {image: mailpit, ports: ["1025:1025", "${MAIL_PORT:-8025}:8025"]}
  Bad_Name: {image: x, ports: ["1:1"]}
"""
    found = check(scaffold_text(tmp_path, {"docker-compose.yml": text}), root=tmp_path)
    assert (found.target, found.problems) == ("compose", ())
    section = parse(scaffold_text(tmp_path, {})).config.model_dump()["compose"]
    assert [(item["service"], item["port"]) for item in section["public"]] == [
        ("web", 80),
        ("api", 3000),
        ("mail", 8025),
    ]


@pytest.mark.parametrize(
    ("files", "manifests"),
    [
        ({"deploy/chart/Chart.yaml": ""}, "./deploy/chart"),
        ({"Chart.yaml": ""}, "."),
        ({"k8s/base/kustomization.yaml": "", "k8s/overlays/preview/kustomization.yaml": ""}, "./k8s/overlays/preview"),
        ({"k8s/base/kustomization.yaml": "", "k8s/overlays/prod/kustomization.yaml": ""}, "./k8s/base"),
    ],
)
def test_manifests_are_for_kubernetes(tmp_path: Path, files: dict[str, str], manifests: str) -> None:
    text = scaffold_text(tmp_path, files)
    assert check(text, root=tmp_path).target == "kubernetes"
    assert check(text, root=tmp_path).problems == ()
    assert parse(text).config.model_dump()["kubernetes"]["manifests"] == (manifests,)


def scaffold_text(folder: Path, files: dict[str, str], target: str = "") -> bytes:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return scaffold.render_eph_yaml("shop", scaffold.detect(folder, target)).encode()


def test_processes_come_before_containers_unless_a_target_is_named(tmp_path: Path) -> None:
    compose = "services: {web: {build: ., ports: ['80:80']}}"
    files = {"Procfile": "web: run", "compose.yaml": compose, "chart/Chart.yaml": ""}
    assert written(tmp_path, files).services[0].command == "run"
    found = scaffold.detect(tmp_path)
    assert [other.target for other in scaffold.other_targets(tmp_path, found)] == ["compose", "kubernetes"]
    assert written(tmp_path, {}, "compose").target == "compose"
    assert written(tmp_path, {}, "kubernetes").target == "kubernetes"


def test_init_says_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Procfile").write_text("web: run\n")
    (tmp_path / "Chart.yaml").write_text("")
    done = CliRunner().invoke(app, ["init"])
    assert (done.exit_code, "Procfile" in done.stdout, "--target kubernetes" in done.stderr) == (0, True, True)
    (tmp_path / "eph.yaml").unlink()
    (tmp_path / "Procfile").unlink()
    assert CliRunner().invoke(app, ["init", "--target", "local"]).exit_code == 0
    assert CliRunner().invoke(app, ["validate"]).exit_code == 1


WORKSPACES = '{"private": true, "workspaces": ["apps/*"]}'
START = '{"scripts": {"start": "node .", "build": "tsc"}}'
START_WITH_DATABASE = '{"scripts": {"start": "node .", "db:migrate": "x"}, "dependencies": {"pg": "8"}}'


@pytest.mark.parametrize(
    ("files", "build"),
    [
        ({"package.json": WORKSPACES}, "npm install && npm run build --workspaces --if-present"),
        ({"package.json": WORKSPACES, "yarn.lock": ""}, "yarn install --frozen-lockfile"),
        (
            {"pnpm-workspace.yaml": "", "pnpm-lock.yaml": ""},
            "pnpm install --frozen-lockfile && pnpm --recursive --if-present run build",
        ),
        (
            {"package.json": '{"workspaces": [], "scripts": {"build": "turbo build"}}', "package-lock.json": "{}"},
            "npm ci && npm run build",
        ),
        ({}, "(cd apps/web && npm install && npm run build) && (cd apps/api && npm install)"),
    ],
)
def test_apps_in_subfolders_are_services(tmp_path: Path, files: dict[str, str], build: str) -> None:
    apps = {"apps/api/package.json": START_WITH_DATABASE, "apps/web/package.json": START, "docs/package.json": START}
    config = written(tmp_path, {**files, **apps, "packages/ui/package.json": "{}"})
    assert [(service.name, service.command) for service in config.services] == [
        ("web", "cd apps/web && npm start"),
        ("api", "cd apps/api && npm start"),
    ]
    assert config.build is not None
    assert config.build.command == build
    (instance,) = config.database.instances
    assert instance.migrate is not None
    assert instance.migrate.command == "(cd apps/api && npm run db:migrate)"


def test_apps_of_several_languages(tmp_path: Path) -> None:
    files = {"web/package.json": VITE, "server/requirements.txt": "flask\n", "server/app.py": FLASK}
    web, server = written(tmp_path, files).services
    assert dict(web.env) == {"__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS": "{host:web}"}
    assert (server.name, server.command) == ("server", f"cd server && {RUN_FLASK} run --host 127.0.0.1 --port $PORT")


def test_files_for_the_whole_repository_come_before_its_subfolders(tmp_path: Path) -> None:
    files = {"compose.yaml": "services: {web: {build: ., ports: ['80:80']}}", "web/package.json": START}
    scaffold_text(tmp_path, files)
    assert scaffold.detect(tmp_path).target == "compose"
    assert scaffold.detect(tmp_path, "local").services[0].name == "web"


@pytest.mark.parametrize("folder", ["shop", "42", "Ünïcode", "---", "a" * 99, "a.b c--d", "x" * 29 + "-y"])
def test_any_folder_gives_a_valid_name(folder: str, tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: run\n")
    text = scaffold.render_eph_yaml(folder, scaffold.detect(tmp_path))
    assert check(text.encode()).problems == (), scaffold.project_name(folder)
