"""The schema, the page and the example are true (Y1, Y2)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from orchestrator.config.eph_yaml import json_schema
from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.config.eph_yaml.key_reference import documented_keys
from orchestrator.config.eph_yaml.parsing import parse, validate_text
from orchestrator.config.eph_yaml.unsupported import notices, unsupported_features
from programs.targets.kubernetes.eph_yaml_section import KubernetesSection

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/eph-yaml.md").read_text()
EXAMPLE = (ROOT / "eph.example.yaml").read_bytes()


def test_the_module_prints_the_schema() -> None:
    command = [sys.executable, "-m", "orchestrator.config.eph_yaml.json_schema"]
    printed = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, timeout=60)
    assert json.loads(printed.stdout)["$schema"].startswith("https://json-schema.org/")


def test_every_key_of_the_schema_is_explained_for_editors() -> None:
    def unexplained(node: Any, name: str) -> list[str]:
        found = (
            []
            if not isinstance(node, dict)
            else [f"{name}.{key}" for key, value in node.get("properties", {}).items() if not value.get("description")]
        )
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        return found + [item for key, child in children for item in unexplained(child, f"{name}.{key}")]

    assert unexplained(json_schema.schema(), "") == []


def test_every_key_is_on_the_page_with_its_meaning() -> None:
    missing_rows = [path for path, meaning in documented_keys() if f"| `{path}` | {meaning} |" not in PAGE]
    assert missing_rows == []


def test_the_page_starts_with_the_example_as_it_stands() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert blocks[0] == EXAMPLE.decode().rstrip() + "\n"
    assert [validate_text(block) for block in blocks] == [[], [], []]


def test_the_full_example_runs_on_local_without_a_notice() -> None:
    block = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    document = parse(block.encode())
    assert list(unsupported_features(document, "local", AdmissionPolicy())) == []
    assert notices(document, AdmissionPolicy()) == ()


def test_the_example_validates_and_means_what_it_says() -> None:
    config = parse(EXAMPLE).config
    trigger = (config.triggers or ())[0]
    image, database = config.environment.images[0], config.database.instances[0]
    assert trigger.model_dump() == {
        "type": "pr_label",
        "labels": ("preview",),
        "wait_for_checks": ("build",),
        "paths": (),
        "drafts": True,
    }
    assert config.environment.ttl is not None
    assert (config.environment.ttl.days, image.tag_template) == (3, "pr-{pr_number}-{commit_sha:0:7}")
    section = config.section("kubernetes")
    assert isinstance(section, KubernetesSection)
    assert section.manifests == ("./k8s/base", "./k8s/overlays/preview")
    assert database.template.seed is not None
    assert (database.version, database.template.seed.scripts) == ("15", ("./db/schema.sql",))
