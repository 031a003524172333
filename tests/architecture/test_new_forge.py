"""Adding a Git host takes one new folder, or one package elsewhere, and no edit. Row: O5."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("orchestrator", "stacks", "programs")

ADAPTER = """
from pydantic import Field

from orchestrator.forges.fake import FakeForge
from orchestrator.forges.registry import ForgeAdapter
from orchestrator.forges.settings import ForgeSettings


class EmptySettings(ForgeSettings):
    kind: str = Field(default="empty", description="The Git host's adapter, by name.")
    depth: int = Field(default=1, ge=1, description="A setting that no other Git host has.")


class EmptyForge(FakeForge):
    def __init__(self, settings, context):
        super().__init__()
        self.settings, self.context = settings, context


ADAPTER = ForgeAdapter(EmptySettings, EmptyForge)
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

assert registry.installed_forges() == ["empty", "github"], registry.installed_forges()
home = pathlib.Path(os.environ["EPH_HOME"])
settings = loading.load()
assert (settings.forge.kind, settings.forge.depth) == ("empty", 7), settings.forge
forge = outside.create_forge(settings)
assert (type(forge).__name__, forge.settings) == ("EmptyForge", settings.forge)
assert forge.context.poll_seconds == settings.interval.total_seconds()
app = create_app(FakeEnvironmentService(), ApiSettings("1", forge=settings.forge.kind))
assert "/api/v1/webhooks/empty" in app.openapi()["paths"]
assert "EPH_FORGE__DEPTH" in generate.settings()
os.environ["EPH_FORGE__DEPTH"] = "0"
try:
    loading.load()
except InvalidSettings as error:
    assert str(error).startswith("EPH_FORGE__DEPTH: '0' does not fit"), error
else:
    raise AssertionError("depth 0 was accepted")
"""


def use(path: Path, home: Path, cwd: Path) -> None:
    variables = {"PYTHONPATH": str(path), "EPH_HOME": str(home), "EPH_FORGE__KIND": "empty", "EPH_FORGE__DEPTH": "7"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", USE], env={**os.environ, **variables}, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.real
def test_folder_in_a_copy_of_the_tree_is_enough(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for room in (*ROOMS, "docs"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "*.json", "shop"))
    folder = copy / "orchestrator" / "forges" / "empty"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A Git host without anything."""\n')
    (folder / "adapter.py").write_text(ADAPTER)
    use(copy, tmp_path / "home", copy)


@pytest.mark.real
def test_package_with_an_entry_point_is_enough(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name, text in {
        "empty_forge.py": ADAPTER,
        "empty_forge-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: empty-forge\nVersion: 1\n",
        "empty_forge-1.dist-info/entry_points.txt": "[eph.forges]\nempty = empty_forge:ADAPTER\n",
    }.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    use(site, tmp_path / "home", ROOT)
