"""The URLs of databases work with common drivers as they are (D3): each real driver, in an environment's sandbox.

A driver comes from its own registry, by a lock file with checksums. Without the language or the registry, it skips.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from programs import variables
from programs.kit.database import environment_databases
from programs.kit.processes import command_runner, sandbox
from programs.kit.processes.command_runner import CommandRun
from programs.targets.local import connectivity
from tests.targets.isolated_machine import SHOP, Isolated

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]
SOURCES = Path(__file__).parents[1] / "drivers"
DATABASE = "eph_shop_1_drivers"
JDBC_FILES = "usr/share/java/postgresql.jar"


def psycopg(folder: Path) -> str:
    shutil.copy(SOURCES / "psycopg_app.py", folder)
    return f"{sys.executable} -I {folder}/psycopg_app.py"


def node_pg(folder: Path) -> str:
    shutil.copytree(SOURCES / "node", folder, dirs_exist_ok=True)
    fetch(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    return f"node {folder}/app.js"


def lib_pq(folder: Path) -> str:
    return f"{build_go(folder)} postgres"


def pgx(folder: Path) -> str:
    return f"{build_go(folder)} pgx"


def jdbc(folder: Path) -> str:
    """Debian's package of the driver, whose signature apt verifies."""
    shutil.copy(SOURCES / "java" / "App.java", folder)
    fetch(["apt-get", "download", "libpostgresql-jdbc-java"], folder)
    [package] = folder.glob("*.deb")
    fetch(["dpkg", "-x", str(package), "."], folder)
    fetch(["javac", "App.java"], folder)
    return f"java -cp {folder}:{folder / JDBC_FILES} App"


def build_go(folder: Path) -> str:
    shutil.copytree(SOURCES / "go", folder, dirs_exist_ok=True)
    fetch(["go", "build", "-o", "app", "."], folder)
    return f"{folder}/app"


def fetch(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} isn't installed")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"`{' '.join(command)}` failed, probably without its registry: {done.stderr.strip()[-300:]}")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "driver"
    made.mkdir()
    yield made
    # Go's files are read-only.
    subprocess.run(["chmod", "-R", "u+w", str(made)], check=True)


@pytest.mark.parametrize("driver", [psycopg, node_pg, lib_pq, pgx, jdbc])
def test_a_driver_connects_with_the_url_as_it_is(
    isolated: Isolated, folder: Path, driver: Callable[[Path], str]
) -> None:
    """JDBC has URLs of its own, which eph.yaml composes of the parts, as `{database.main.host}`."""
    command = driver(folder)
    shown = (str(folder), sys.prefix, sys.base_prefix) if driver is psycopg else (str(folder),)
    machine = replace(isolated.here, toolbox=shown)
    workspace = isolated.workspace(SHOP)
    url = environment_databases.create(isolated.here, SHOP, DATABASE)
    values = variables.database_values("main", connectivity.inside_url(isolated.here, url))
    templates = {
        "DATABASE_URL": "{database.main.url}",
        "JDBC_URL": "jdbc:postgresql://{database.main.host}:{database.main.port}/{database.main.name}",
        "DB_USER": "{database.main.user}",
        "DB_PASSWORD": "{database.main.password}",
    }
    run = CommandRun("driver", "driver", command, 60, variables.fill(templates, values))
    command_runner.run(machine, SHOP, workspace, run)
    output = (isolated.here.env(SHOP) / "logs" / "driver.log").read_text()
    assert output.split() == [DATABASE, DATABASE]
