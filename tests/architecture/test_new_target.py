"""Adding a target takes one new folder and no edit elsewhere. A package is shown in tests/e2e. Row: O5.

The target is the one that docs/how-to/add-a-target.md shows.
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

USE = """
import os
from docs import generate
from orchestrator.config.eph_yaml import json_schema
from orchestrator.config.eph_yaml.parsing import parse
from orchestrator.config.eph_yaml.recipe import RecipeContext, build_recipe
from orchestrator.config.problems import InvalidConfig, InvalidSettings
from orchestrator.config.settings import loading
from stacks import keys

settings = loading.load()
assert settings.target_settings("id")["website"]["start_seconds"] == "7"
policy = settings.policy()
assert policy.program_versions["website"] == "website-1"
assert "website" in policy.trusted_authors_only, "trust is opt-out"
assert "EPH_WEBSITE__START_SECONDS" in generate.settings()
assert "| `website.root` | The folder to publish." in generate.target_sections()
assert "root" in json_schema.schema()["$defs"]["WebsiteSection"]["properties"]

context = RecipeContext(keys.pull_request(1, 42), "acme/shop", "a" * 40, "feature", "/origin.git", "gentle-stream")
head = 'version: "1.0"\\nname: shop\\nwebsite: {root: dist}\\n'
spec = build_recipe(parse(head.encode()), context, settings.admission_policy()).spec
assert (spec.target, spec.options) == ("website", {"root": "dist"})
for wrong in (head + "services: [{name: web, command: run}]\\n", head.replace("root", "rot")):
    try:
        build_recipe(parse(wrong.encode()), context, settings.admission_policy())
    except InvalidConfig as error:
        assert "eph.yaml:" in str(error)
    else:
        raise AssertionError(f"accepted: {wrong}")
os.environ["EPH_WEBSITE__START_SECONDS"] = "0"
try:
    loading.load()
except InvalidSettings as error:
    assert "EPH_WEBSITE__START_SECONDS" in str(error)
else:
    raise AssertionError("0 seconds was accepted")
"""


@pytest.mark.real
def test_folder_in_a_copy_of_the_tree_is_enough(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for room in ("orchestrator", "stacks", "programs", "docs"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "*.json", "shop"))
    code = {"__init__.py": '"""The target `website`."""\n', **how_to_pages.code_files("add-a-target")}
    how_to_pages.write_files(copy / "programs" / "targets" / "website", code)
    variables = {
        "PYTHONPATH": str(copy),
        "EPH_HOME": str(tmp_path / "home"),
        "EPH_WEBSITE__START_SECONDS": "7",
        "EPH_TARGETS__ALLOWED": "local,website",
    }
    done = subprocess.run(
        [sys.executable, "-B", "-c", USE], env={**os.environ, **variables}, cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
