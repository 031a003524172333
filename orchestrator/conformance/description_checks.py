"""What every target must fulfil before it runs anything. Needs no Pulumi, and takes no time."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from orchestrator.config.eph_yaml.models.document import EphYamlFile
from orchestrator.conformance import wording
from orchestrator.conformance.shared import require
from programs import registry
from programs.costs import PriceList
from programs.eph_yaml.target_section import Finding, TargetSection
from programs.registry import Target
from programs.settings import ServerContext, TargetSettings
from programs.spec import DatabaseSpec, EnvironmentSpec, GitSource, ServiceSpec

PRICED_SPEC = EnvironmentSpec(
    name="shop-gentle-stream-42",
    host="shop-gentle-stream-42.localhost",
    target="any",
    project="shop",
    source=GitSource("/origin.git", "a" * 40, "feature"),
    services=(ServiceSpec("web", "./web", image="shop", port=8080),),
    databases=(DatabaseSpec("main"),),
)


class DescriptionChecks:
    """Settings, section of eph.yaml, prices, and methods that meet nothing."""

    def test_settings_have_defaults_and_descriptions_and_become_strings(
        self, conformance_target: Target, conformance_server: ServerContext
    ) -> None:
        model = conformance_target.description.settings_model
        assert issubclass(model, TargetSettings)
        assert all(field.description for field in model.model_fields.values())
        mapping = model().to_mapping(conformance_server)
        assert json.loads(json.dumps(mapping)) == mapping
        assert all(isinstance(value, str) for value in mapping.values())
        assert {"root", "routes", "url"} <= mapping.keys()
        assert mapping["url"] == conformance_server.url_template

    def test_unknown_setting_is_refused_by_name(self, conformance_target: Target) -> None:
        with pytest.raises(ValidationError, match="no_such_setting"):
            conformance_target.description.settings_model.model_validate({"no_such_setting": 1})

    def test_secrets_reach_the_target_and_no_text(
        self, conformance_target: Target, conformance_server: ServerContext
    ) -> None:
        model = conformance_target.description.settings_model
        names = [name for name, field in model.model_fields.items() if field.annotation is SecretStr]
        settings = model.model_validate(dict.fromkeys(names, "postgresql://hunter2@db/x"))
        assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"
        mapping = settings.to_mapping(conformance_server)
        assert all(mapping[name] == "postgresql://hunter2@db/x" for name in names)

    def test_nothing_exists_for_settings_that_nobody_wrote(
        self, conformance_target: Target, conformance_server: ServerContext
    ) -> None:
        assert not conformance_target.description.settings_model().may_have_environments(conformance_server)

    def test_section_has_a_schema_with_descriptions_and_refuses_unknown_keys(self, conformance_target: Target) -> None:
        section = conformance_target.description.section_model
        if section is None:
            return
        assert issubclass(section, TargetSection)
        schema = section.model_json_schema()
        assert schema["additionalProperties"] is False
        assert all(item.get("description") for item in schema["properties"].values())
        with pytest.raises(ValidationError, match="no_such_key"):
            section.model_validate({"no_such_key": 1})

    def test_an_empty_file_is_a_problem_that_says_what_to_add(self, conformance_target: Target) -> None:
        found = list(conformance_target.description.problems(_empty_file()))
        assert found
        for finding in found:
            assert isinstance(finding, Finding)
            assert finding.message
            assert finding.expected
        assert list(conformance_target.description.notices(_empty_file())) == []

    def test_description_and_version_say_something(self, conformance_target: Target) -> None:
        assert conformance_target.version
        assert conformance_target.description.title
        assert all(isinstance(name, str) for name in conformance_target.description.plugins)
        for module in conformance_target.description.preload:
            assert importlib.util.find_spec(module) is not None

    def test_purge_of_what_does_not_exist_does_nothing(
        self, conformance_target: Target, conformance_server: ServerContext
    ) -> None:
        """Idempotent, by name. A provider's targets are looked at where the provider is."""
        settings = conformance_target.description.settings_model().to_mapping(conformance_server)
        if conformance_target.description.plugins:
            pytest.skip(wording.NEEDS_ITS_SERVICE)
        for _ in range(2):
            conformance_target.purge("shop-gentle-stream-42", settings)
            assert conformance_target.list_environments(settings) == frozenset()
            assert conformance_target.list_remaining(settings) == []

    def test_estimate_is_pure_names_what_has_no_price_and_costs_less_asleep(
        self, request: pytest.FixtureRequest, conformance_target: Target, conformance_server: ServerContext
    ) -> None:
        """Before anything exists, and without reaching anything."""
        priced_target = require(request, conformance_target, registry.Prices)
        settings = conformance_target.description.settings_model().to_mapping(conformance_server)
        settings |= {"region": "us-east-1", "zone": "Z1"}
        listed = priced_target.price_list(settings)
        names = [item.name for item in listed.items]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", item.name) and item.unit for item in listed.items)
        assert all(item.source and item.dated for item in listed.items if item.amount is not None)

        priced = listed.override(dict.fromkeys(names, Decimal("0.5")), "eph.toml")
        found = priced_target.prices(PRICED_SPEC, settings, priced)
        assert found == priced_target.prices(PRICED_SPEC, settings, priced)
        assert found.is_priced
        assert found.unpriced == ()
        assert found.rate.awake >= found.rate.asleep >= 0
        assert all(line.what and line.quantity > 0 and line.rate.awake >= line.rate.asleep for line in found.lines)

        unknown = PriceList(tuple(replace(item, amount=None) for item in listed.items))
        empty = priced_target.prices(PRICED_SPEC, settings, unknown)
        assert not empty.is_priced
        assert empty.unpriced
        assert set(empty.unpriced) <= set(names)


class _NoSections(dict[str, Any]):
    """A file without any target's section, whichever target looks for its own."""

    def __missing__(self, _: str) -> None:
        return None


def _empty_file() -> Mapping[str, Any]:
    return _NoSections(EphYamlFile.model_validate({"version": "1.0", "name": "shop"}).model_dump())
