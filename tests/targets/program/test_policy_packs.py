"""Policy packs of the server, run by Pulumi's own policy SDK in the project's sandbox. Row: T8."""

from __future__ import annotations

import os

import pytest

from programs.kit.errors import TargetError
from programs.targets.program.projects import PolicyViolation
from programs.targets.program.target import TARGET
from tests.targets.program import shop_policies
from tests.targets.program.conftest import NAME, ProgramMachine
from tests.targets.program.shop_policies import BLINKING, MOVING, PLAIN

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def governed(machine: ProgramMachine) -> ProgramMachine:
    """A machine with a pack that has a virtual environment of its own, as packs do."""
    environment = shop_policies.installed_environment()
    pack = machine.folder / "tools" / "shop-rules"
    if not pack.exists():
        shop_policies.write_pack(pack, shop_policies.RUNTIME, shop_policies.PROGRAM)
        (pack / "venv").symlink_to(environment)
    toolbox = os.pathsep.join([machine.strings["toolbox"], str(environment)])
    machine.changed = {"policy_packs": str(pack), "toolbox": toolbox}
    return machine


def test_mandatory_policy_stops_a_plan_before_anything_is_created(governed: ProgramMachine) -> None:
    with pytest.raises(PolicyViolation) as failure:
        governed.apply({**governed.shop(), "page.html": MOVING})
    assert failure.value.permanent
    assert shop_policies.MUST_NOT_MOVE in failure.value.sentence
    assert governed.cloud.requests == []
    TARGET.purge(NAME, governed.strings)


def test_compliant_plan_passes_and_an_advisory_policy_only_leaves_a_notice(governed: ProgramMachine) -> None:
    first = governed.apply({**governed.shop(), "page.html": PLAIN})
    assert (first.notices, governed.cloud.names()) == ((), [NAME])
    newer = governed.apply({"page.html": BLINKING})
    (notice,) = newer.notices
    assert shop_policies.SHOULD_NOT_BLINK in notice
    assert governed.cloud.items["sites", NAME] == BLINKING
    with pytest.raises(PolicyViolation):
        governed.apply({"page.html": MOVING})
    assert governed.cloud.items["sites", NAME] == BLINKING
    TARGET.purge(NAME, governed.strings)
    assert governed.cloud.items == {}


def test_policy_pack_that_cannot_run_stops_everything(machine: ProgramMachine) -> None:
    """A policy that wasn't checked must not count as fulfilled."""
    pack = shop_policies.write_pack(machine.folder / "tools" / "broken", "python", "raise ValueError\n")
    machine.changed = {"policy_packs": str(pack)}
    with pytest.raises(TargetError, match='tools/broken" failed to start') as failure:
        machine.apply(machine.shop())
    assert not failure.value.permanent
    assert machine.cloud.requests == []
