"""Adding a target takes one new folder and no edit elsewhere. A package is shown in tests/e2e. Row: O5."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TARGET = """
from pydantic import Field

from programs.eph_yaml.target_section import Finding, TargetSection
from programs.registry import TargetDescription
from programs.target_settings import TargetSettings


class EmptySettings(TargetSettings):
    depth: int = Field(default=1, ge=1, description="A setting that no other target has.")


class EmptySection(TargetSection):
    page: str = Field(description="A key that no other target has.")


def problems(file):
    if file["services"]:
        yield Finding(("services",), "the target `empty` runs no services", "remove them")


class EmptyTarget:
    version = "empty-1"
    description = TargetDescription("The target `empty`.", EmptySettings, EmptySection, problems)


TARGET = EmptyTarget()
"""
USE = """
import os
from docs import generate
from orchestrator.app import outside
from orchestrator.config.eph_yaml import json_schema
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.problems import InvalidConfig, InvalidSettings
from orchestrator.config.settings import loading

settings = loading.load()
assert settings.target_settings("id")["empty"]["depth"] == "7"
policy = outside.planning_policy(settings)
assert policy.program_versions["empty"] == "empty-1"
assert "empty" in policy.trusted_authors_only, "trust is opt-out"
assert "EPH_EMPTY__DEPTH" in generate.settings()
assert "page" in json_schema.schema()["$defs"]["EmptySection"]["properties"]

context = RecipeContext(keys.pull_request(1, 42), "acme/shop", "a" * 40, "feature", "/origin.git", "gentle-stream")
head = 'version: "1.0"\\nname: shop\\nempty: {page: hello}\\n'
spec = build_recipe(parse(head.encode()), context, settings.admission_policy()).spec
assert (spec.target, spec.options) == ("empty", {"page": "hello"})
for wrong in (head + "services: [{name: web, command: run}]\\n", head.replace("page", "pag")):
    try:
        build_recipe(parse(wrong.encode()), context, settings.admission_policy())
    except InvalidConfig as error:
        assert "eph.yaml:" in str(error)
    else:
        raise AssertionError(f"accepted: {wrong}")
os.environ["EPH_EMPTY__DEPTH"] = "0"
try:
    loading.load()
except InvalidSettings as error:
    assert "EPH_EMPTY__DEPTH" in str(error)
else:
    raise AssertionError("depth 0 was accepted")
"""


@pytest.mark.real
def test_folder_in_a_copy_of_the_tree_is_enough(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for room in ("orchestrator", "stacks", "programs", "docs"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "*.json", "shop"))
    folder = copy / "programs" / "targets" / "empty"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A target without anything."""\n')
    (folder / "target.py").write_text(TARGET)
    variables = {
        "PYTHONPATH": str(copy),
        "EPH_HOME": str(tmp_path / "home"),
        "EPH_EMPTY__DEPTH": "7",
        "EPH_TARGETS__ALLOWED": "local,empty",
    }
    done = subprocess.run(
        [sys.executable, "-B", "-c", USE], env={**os.environ, **variables}, cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
