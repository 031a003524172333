"""What every target must fulfil before it runs anything: one suite for Eph's targets and the sample. Rows: T1, O5, S3.

The behaviour of running targets is proven by the tests of each (tests/targets, tests/cluster, tests/e2e).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from orchestrator.config.eph_yaml.models.document import EphYamlFile
from programs import registry
from programs.costs import PriceList
from programs.eph_yaml.target_section import Finding, TargetSection
from programs.registry import Target
from programs.settings import MachineTools, ServerContext, TargetSettings
from programs.spec import DatabaseSpec, EnvironmentSpec, GitSource, ServiceSpec
from tests.contracts.target_harnesses import HARNESSES, TargetHarness

SAMPLE = Path(__file__).parents[1] / "sample_target"
NAMES = [*sorted(registry.installed_targets()), "folders"]
DEADLINE = 90
"""In seconds, on a busy machine: what these tests guard against takes minutes, or forever."""
EMPTY_FILE = EphYamlFile.model_validate({"version": "1.0", "name": "shop"}).model_dump()


@pytest.fixture(params=NAMES)
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Target:
    if request.param != "folders":
        return registry.get(request.param)
    monkeypatch.syspath_prepend(SAMPLE)
    found: Target = importlib.import_module("eph_folders.target").TARGET
    return found


@pytest.fixture
def server(tmp_path: Path) -> ServerContext:
    home, url = tmp_path / "home", "http://{host}:8080"
    return ServerContext("eph-c0ffee", home, tmp_path / "shared", tmp_path / "routes", url, MachineTools((), "/bin"))


def test_settings_have_defaults_and_descriptions_and_become_strings(target: Target, server: ServerContext) -> None:
    model = target.description.settings_model
    assert issubclass(model, TargetSettings)
    assert all(field.description for field in model.model_fields.values())
    mapping = model().to_mapping(server)
    assert json.loads(json.dumps(mapping)) == mapping
    assert all(isinstance(value, str) for value in mapping.values())
    assert {"root", "routes", "url"} <= mapping.keys()
    assert mapping["url"] == server.url_template


def test_unknown_setting_is_refused_by_name(target: Target) -> None:
    with pytest.raises(ValidationError, match="no_such_setting"):
        target.description.settings_model.model_validate({"no_such_setting": 1})


def test_secrets_reach_the_target_and_no_text(target: Target, server: ServerContext) -> None:
    model = target.description.settings_model
    names = [name for name, field in model.model_fields.items() if field.annotation is SecretStr]
    settings = model.model_validate(dict.fromkeys(names, "postgresql://hunter2@db/x"))
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert all(settings.to_mapping(server)[name] == "postgresql://hunter2@db/x" for name in names)


def test_nothing_exists_for_settings_that_nobody_wrote(target: Target, server: ServerContext) -> None:
    assert not target.description.settings_model().may_have_environments(server)


def test_section_has_a_schema_with_descriptions_and_refuses_unknown_keys(target: Target) -> None:
    section = target.description.section_model
    if section is None:
        return
    assert issubclass(section, TargetSection)
    schema = section.model_json_schema()
    assert schema["additionalProperties"] is False
    assert all(item.get("description") for item in schema["properties"].values())
    with pytest.raises(ValidationError, match="no_such_key"):
        section.model_validate({"no_such_key": 1})


def test_an_empty_file_is_a_problem_that_says_what_to_add(target: Target) -> None:
    section = dict.fromkeys(NAMES)
    found = list(target.description.problems({**section, **EMPTY_FILE}))
    assert found
    for finding in found:
        assert isinstance(finding, Finding)
        assert finding.message
        assert finding.expected
    assert list(target.description.notices({**section, **EMPTY_FILE})) == []


def test_description_and_version_say_something(target: Target) -> None:
    assert target.version
    assert target.description.title
    assert all(isinstance(name, str) for name in target.description.plugins)
    for module in target.description.preload:
        assert importlib.util.find_spec(module) is not None


def test_purge_of_what_does_not_exist_does_nothing(target: Target, server: ServerContext) -> None:
    """Idempotent, by name. A cluster's targets are looked at where there is a cluster."""
    settings = target.description.settings_model().to_mapping(server)
    if target.description.plugins:
        pytest.skip("needs the service that its plugin talks to")
    for _ in range(2):
        target.purge("shop-gentle-stream-42", settings)
        assert target.list_environments(settings) == frozenset()
        assert target.list_remaining(settings) == []


PRICED_SPEC = EnvironmentSpec(
    name="shop-gentle-stream-42",
    host="shop-gentle-stream-42.localhost",
    target="any",
    project="shop",
    source=GitSource("/origin.git", "a" * 40, "feature"),
    services=(ServiceSpec("web", "./web", image="shop", port=8080),),
    databases=(DatabaseSpec("main"),),
)


def test_estimate_is_pure_names_what_has_no_price_and_costs_less_asleep(target: Target, server: ServerContext) -> None:
    """P10, T6: before anything exists, and without reaching anything."""
    assert isinstance(target, registry.Prices)
    settings = target.description.settings_model().to_mapping(server) | {"region": "us-east-1", "zone": "Z1"}
    listed = target.price_list(settings)
    names = [item.name for item in listed.items]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", item.name) and item.unit for item in listed.items)
    assert all(item.source and item.dated for item in listed.items if item.amount is not None)

    priced = listed.override(dict.fromkeys(names, Decimal("0.5")), "eph.toml")
    found = target.prices(PRICED_SPEC, settings, priced)
    assert found == target.prices(PRICED_SPEC, settings, priced)
    assert found.is_priced
    assert found.unpriced == ()
    assert found.rate.awake >= found.rate.asleep >= 0
    assert all(line.what and line.quantity > 0 and line.rate.awake >= line.rate.asleep for line in found.lines)

    unknown = PriceList(tuple(replace(item, amount=None) for item in listed.items))
    empty = target.prices(PRICED_SPEC, settings, unknown)
    assert not empty.is_priced
    assert empty.unpriced
    assert set(empty.unpriced) <= set(names)


@pytest.fixture
def harness(
    request: pytest.FixtureRequest, target: Target, server: ServerContext, tmp_path: Path
) -> Iterator[TargetHarness]:
    name = request.node.callspec.params["target"]
    if name not in HARNESSES:
        pytest.fail(f"The target {name} has no harness. Add one to tests/contracts/target_harnesses.py.")
    with HARNESSES[name](server, tmp_path) as found:
        yield found


def read_everything(target: Target, settings: Mapping[str, str]) -> frozenset[str]:
    """What the loop and the audit read. Returns the environments."""
    target.list_remaining(settings)
    if isinstance(target, registry.DetectsDrift):
        target.live_resources(settings)
    registry.list_resources(target, settings)
    return target.list_environments(settings)


@pytest.mark.long
def test_hostile_environment_delays_no_reading_update_or_destroy(target: Target, harness: TargetHarness) -> None:
    """S3: neither its own nor that of others. Each step ends within a deadline, and leaves nothing."""
    hostile, neighbour, third = "shop-hostile-stream-1", "shop-quiet-stream-2", "shop-calm-stream-3"
    for name in (hostile, neighbour, third):
        harness.create(name)
    harness.make_hostile(hostile)
    with ThreadPoolExecutor() as pool:
        assert pool.submit(read_everything, target, harness.settings).result(DEADLINE) >= {hostile, neighbour, third}
        pool.submit(harness.update, neighbour).result(DEADLINE)
        destroys = [pool.submit(target.purge, name, harness.settings) for name in (hostile, third)]
        pool.submit(harness.update, neighbour).result(DEADLINE)
        for each in destroys:
            each.result(DEADLINE)
        assert pool.submit(read_everything, target, harness.settings).result(DEADLINE) == {neighbour}
        pool.submit(target.purge, neighbour, harness.settings).result(DEADLINE)
        assert pool.submit(read_everything, target, harness.settings).result(DEADLINE) == frozenset()


def test_unknown_target_is_named_with_the_installed_ones() -> None:
    with pytest.raises(registry.UnknownTarget, match=r"^Unknown target 'ecs'\. Installed targets: .*\blocal\b.*\.$"):
        registry.get("ecs")
    assert registry.find("ecs") is None


def test_sample_target_is_not_installed_here() -> None:
    assert "folders" not in registry.installed_targets()
    assert not any(str(SAMPLE) == entry for entry in sys.path)
