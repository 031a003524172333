"""Adding a Git host takes one new folder, or one package elsewhere, and no edit. Row: O5.

The adapter is the one that docs/how-to/add-a-git-host.md shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import how_to_pages

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("orchestrator", "stacks", "programs")

FORGE = """from orchestrator.forges.fake import FakeForge


class GiteaForge(FakeForge):
    def __init__(self, *given: object) -> None:
        super().__init__()
        self.given = given
"""
USE = """
import os, pathlib
from docs import generate
from orchestrator.app import outside
from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings import loading
from orchestrator.forges import registry
from orchestrator.surfaces.api.api_settings import ApiSettings
from orchestrator.surfaces.api.app import create_app
from orchestrator.service.fake import FakeEnvironmentService

assert "gitea" in registry.installed_forges(), registry.installed_forges()
home = pathlib.Path(os.environ["EPH_HOME"])
settings = loading.load()
forge = outside.create_forge(settings)
assert type(forge).__name__ == "GiteaForge"
assert forge.given == ("https://git.example", "hunter2", ("acme/shop",), home / "forge-cache.db"), forge.given
app = create_app(FakeEnvironmentService(), ApiSettings("1", forge=settings.forge.kind))
assert "/api/v1/webhooks/gitea" in app.openapi()["paths"]
page = generate.settings()
assert "The base URL of the server." in page
assert "`forge.app_id`" in page
assert [line for line in page.splitlines() if "`forge.app_id`" in line and "Only with `forge.kind` `github`." in line]
assert not [line for line in page.splitlines() if "`forge.url`" in line and "Only with" in line]
del os.environ["EPH_FORGE__URL"]
try:
    loading.load()
except InvalidSettings as error:
    assert str(error) == "forge.url: this setting is required", error
else:
    raise AssertionError("a table without url was accepted")
"""


def adapter_files() -> dict[str, str]:
    return {**how_to_pages.code_files("add-a-git-host"), "gitea_forge.py": FORGE}


def use(path: Path, home: Path, cwd: Path) -> None:
    table = {"KIND": "gitea", "URL": "https://git.example", "TOKEN": "hunter2", "REPOSITORIES": "acme/shop"}
    variables = {f"EPH_FORGE__{key}": value for key, value in table.items()}
    variables |= {"PYTHONPATH": str(path), "EPH_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", USE], env={**os.environ, **variables}, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.real
def test_folder_in_a_copy_of_the_tree_is_enough(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for room in (*ROOMS, "docs"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "*.json", "shop"))
    code = {"__init__.py": '"""Gitea."""\n', **adapter_files()}
    how_to_pages.write_files(copy / "orchestrator" / "forges" / "gitea", code)
    use(copy, tmp_path / "home", copy)


@pytest.mark.real
def test_package_with_an_entry_point_is_enough(tmp_path: Path) -> None:
    site = tmp_path / "site"
    how_to_pages.install(site, "eph_gitea", adapter_files(), "eph.forges gitea = eph_gitea.adapter:ADAPTER")
    use(site, tmp_path / "home", ROOT)
