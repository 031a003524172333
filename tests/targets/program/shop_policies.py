"""A policy pack for the demo's project: one mandatory policy, and one advisory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def check(word, sentence):
    def validate(resource, report_violation):
        if resource.resource_type == "democloud:index:Site" and word in resource.props["html"]:
            report_violation(sentence)
    return validate

PolicyPack("shop-rules", policies=[
    ResourceValidationPolicy(
        name="no-marquee", description="Pages don't move.", enforcement_level=EnforcementLevel.MANDATORY,
        validate=check("<marquee>", "a page must not move"),
    ),
    ResourceValidationPolicy(
        name="no-blink", description="Pages don't blink.", enforcement_level=EnforcementLevel.ADVISORY,
        validate=check("<blink>", "a page should not blink"),
    ),
])
"""
PLAIN, BLINKING, MOVING = "<h1>Shop</h1>", "<blink>Shop</blink>", "<marquee>Shop</marquee>"
MUST_NOT_MOVE, SHOULD_NOT_BLINK = "a page must not move (no-marquee)", "a page should not blink (no-blink)"
RUNTIME = "{name: python, options: {virtualenv: venv}}"


def write_pack(folder: Path, runtime: str, program: str) -> Path:
    """Readable by the environment's user."""
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text(f"runtime: {runtime}\n")
    (folder / "__main__.py").write_text(program)
    return folder


def installed_environment() -> Path:
    """The virtual environment with Pulumi's policy SDK. Skips the test if it isn't installed."""
    command = [str(ROOT / "infra/toolchain/pulumi-policy.sh"), "--find"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("needs Pulumi's policy SDK; run `make pulumi-policy`")
    return Path(found.stdout.strip()).parents[1]
