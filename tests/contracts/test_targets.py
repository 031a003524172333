"""The part of the conformance suite that needs no Pulumi, on Eph's targets and the sample. Rows: T1, O5, S3.

``test_target_conformance`` runs the whole suite on the targets that need no service.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.conformance.description_checks import DescriptionChecks
from programs import registry
from programs.registry import Target
from programs.settings import ServerContext
from tests.contracts.target_harnesses import HARNESSES, TargetHarness

SAMPLE = Path(__file__).parents[1] / "sample_target"
NAMES = [*sorted(registry.installed_targets()), "folders"]
DEADLINE = 90
"""In seconds, on a busy machine: what these tests guard against takes minutes, or forever."""


@pytest.fixture(params=NAMES)
def conformance_target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Target:
    if request.param != "folders":
        return registry.get(request.param)
    monkeypatch.syspath_prepend(SAMPLE)
    found: Target = importlib.import_module("eph_folders.target").TARGET
    return found


class TestDescriptions(DescriptionChecks):
    """The part of the suite that creates nothing. Rows: P10, T6."""


@pytest.fixture
def harness(
    request: pytest.FixtureRequest, conformance_target: Target, conformance_server: ServerContext, tmp_path: Path
) -> Iterator[TargetHarness]:
    name = request.node.callspec.params["conformance_target"]
    if name not in HARNESSES:
        pytest.fail(f"The target {name} has no harness. Add one to tests/contracts/target_harnesses.py.")
    with HARNESSES[name](conformance_server, tmp_path) as found:
        yield found


def read_everything(target: Target, settings: Mapping[str, str]) -> frozenset[str]:
    """What the loop and the audit read. Returns the environments."""
    target.list_remaining(settings)
    if isinstance(target, registry.DetectsDrift):
        target.live_resources(settings)
    registry.list_resources(target, settings)
    return target.list_environments(settings)


@pytest.mark.long
@pytest.mark.timeout(400)  # one target first starts a service that takes minutes on a busy machine
@pytest.mark.exhaustive
def test_hostile_environment_delays_no_reading_update_or_destroy(
    conformance_target: Target, harness: TargetHarness
) -> None:
    """S3: neither its own nor that of others. Each step ends within a deadline, and leaves nothing."""
    hostile, neighbour, third = "shop-hostile-stream-1", "shop-quiet-stream-2", "shop-calm-stream-3"
    for name in (hostile, neighbour, third):
        harness.create(name)
    harness.make_hostile(hostile)
    with ThreadPoolExecutor() as pool:
        assert pool.submit(read_everything, conformance_target, harness.settings).result(DEADLINE) >= {
            hostile,
            neighbour,
            third,
        }
        pool.submit(harness.update, neighbour).result(DEADLINE)
        destroys = [pool.submit(conformance_target.purge, name, harness.settings) for name in (hostile, third)]
        pool.submit(harness.update, neighbour).result(DEADLINE)
        for each in destroys:
            each.result(DEADLINE)
        assert pool.submit(read_everything, conformance_target, harness.settings).result(DEADLINE) == {neighbour}
        pool.submit(conformance_target.purge, neighbour, harness.settings).result(DEADLINE)
        assert pool.submit(read_everything, conformance_target, harness.settings).result(DEADLINE) == frozenset()


def test_unknown_target_is_named_with_the_installed_ones() -> None:
    with pytest.raises(registry.UnknownTarget, match=r"^Unknown target 'ecs'\. Installed targets: .*\blocal\b.*\.$"):
        registry.get("ecs")
    assert registry.find("ecs") is None


@pytest.mark.parametrize("name", registry.installed_targets())
def test_description_is_the_targets_own(name: str) -> None:
    """It is also read without the target, by `eph validate`, and then can't look at what the target implements."""
    target = registry.get(name)
    assert registry.describe(name) is target.description
    assert target.description.runs_tests == isinstance(target, registry.RunsTests)


def test_target_that_is_not_installed_has_no_description() -> None:
    assert registry.describe("ecs") is None


def test_sample_target_is_not_installed_here() -> None:
    assert "folders" not in registry.installed_targets()
    assert not any(str(SAMPLE) == entry for entry in sys.path)
