"""Policy packs of the server, run by Pulumi's own policy SDK in the project's sandbox. Row: T8."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from programs.kit.errors import TargetError
from programs.targets.program.projects import PolicyViolation
from programs.targets.program.target import TARGET
from tests.targets.program.conftest import NAME, ProgramMachine

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[3]
PACK = """
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


def write_pack(folder: Path, runtime: str, program: str) -> Path:
    """Readable by the environment's user."""
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text(f"runtime: {runtime}\n")
    (folder / "__main__.py").write_text(program)
    return folder


@pytest.fixture
def governed(machine: ProgramMachine) -> ProgramMachine:
    """A machine with a pack that has a virtual environment of its own, as packs do."""
    command = [str(ROOT / "infra/toolchain/pulumi-policy.sh"), "--find"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("needs Pulumi's policy SDK; run `make pulumi-policy`")
    environment = Path(found.stdout.strip()).parents[1]
    pack = machine.folder / "tools" / "shop-rules"
    if not pack.exists():
        write_pack(pack, "{name: python, options: {virtualenv: venv}}", PACK)
        (pack / "venv").symlink_to(environment)
    toolbox = os.pathsep.join([machine.strings["toolbox"], str(environment)])
    machine.changed = {"policy_packs": str(pack), "toolbox": toolbox}
    return machine


def test_mandatory_policy_stops_a_plan_before_anything_is_created(governed: ProgramMachine) -> None:
    with pytest.raises(PolicyViolation) as failure:
        governed.apply({**governed.shop(), "page.html": MOVING})
    assert failure.value.permanent
    assert "a page must not move (no-marquee)" in failure.value.sentence
    assert governed.cloud.requests == []
    TARGET.purge(NAME, governed.strings)


def test_compliant_plan_passes_and_an_advisory_policy_only_leaves_a_notice(governed: ProgramMachine) -> None:
    first = governed.apply({**governed.shop(), "page.html": PLAIN})
    assert (first.notices, governed.cloud.names()) == ((), [NAME])
    newer = governed.apply({"page.html": BLINKING})
    (notice,) = newer.notices
    assert "a page should not blink (no-blink)" in notice
    assert governed.cloud.items["sites", NAME] == BLINKING
    with pytest.raises(PolicyViolation):
        governed.apply({"page.html": MOVING})
    assert governed.cloud.items["sites", NAME] == BLINKING
    TARGET.purge(NAME, governed.strings)
    assert governed.cloud.items == {}


def test_policy_pack_that_cannot_run_stops_everything(machine: ProgramMachine) -> None:
    """A policy that wasn't checked must not count as fulfilled."""
    pack = write_pack(machine.folder / "tools" / "broken", "python", "raise ValueError\n")
    machine.changed = {"policy_packs": str(pack)}
    with pytest.raises(TargetError, match='tools/broken" failed to start') as failure:
        machine.apply(machine.shop())
    assert not failure.value.permanent
    assert machine.cloud.requests == []
