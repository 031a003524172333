"""What a target offers beyond creating environments: each check belongs to one protocol of ``programs.registry``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.conformance import wording
from orchestrator.conformance.lifecycle_checks import NEIGHBOUR, NUMBER
from orchestrator.conformance.machine import ConformanceMachine
from orchestrator.conformance.shared import SuiteDeclarations, require
from orchestrator.core.planning import drift_detection
from programs import registry
from programs.runtime_info import RuntimeInfo
from stacks.model import OperationVerb, Outcome

UNKNOWN = "conformance-nobody-knows-it-99"


class CapabilityChecks(SuiteDeclarations):
    def test_sleeps_and_wakes_on_the_same_url(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        require(request, conformance_machine.target, registry.Sleeps)
        environment = conformance_machine.deployed(self.first, NUMBER)
        for _ in range(2):  # idempotent
            slept = conformance_machine.run(conformance_machine.operation(OperationVerb.SLEEP, NUMBER), NUMBER).result
            assert slept.outcome is Outcome.SUCCEEDED, slept.error
            assert self.first.answers not in conformance_machine.get(environment), wording.ANSWERS_ASLEEP
        assert environment.name in conformance_machine.names()
        for _ in range(2):
            woken = conformance_machine.run(conformance_machine.operation(OperationVerb.WAKE, NUMBER), NUMBER).result
            assert woken.outcome is Outcome.SUCCEEDED, woken.error
            assert self.first.answers in conformance_machine.get(environment), wording.SILENT_AFTER_WAKE

    def test_update_of_a_sleeping_environment_wakes_it(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        require(request, conformance_machine.target, registry.Sleeps)
        conformance_machine.deployed(self.first, NUMBER)
        slept = conformance_machine.run(conformance_machine.operation(OperationVerb.SLEEP, NUMBER), NUMBER).result
        assert slept.outcome is Outcome.SUCCEEDED, slept.error
        conformance_machine.deploy(self.second, NUMBER)

    def test_lost_environment_is_drift_and_is_repaired(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        target = require(request, conformance_machine.target, registry.DetectsDrift)
        settings = conformance_machine.settings
        environment = conformance_machine.deployed(self.first, NUMBER)
        checked = target.live_resources(settings).keys()
        assert any(part.partition(":")[0] in checked for part in environment.record.resource_names), (
            wording.NO_KIND_IN_STATE
        )
        conformance_machine.wait_for(
            wording.NOTHING_HAS_DRIFTED,
            lambda: (
                not drift_detection.detect(
                    environment.record, conformance_machine.read(lambda: target.live_resources(settings))
                )
            ),
        )
        conformance_machine.target.purge(environment.name, settings)
        assert drift_detection.detect(environment.record, target.live_resources(settings))
        repaired = conformance_machine.deploy(self.first, NUMBER, refresh=True)
        assert repaired.url == environment.url

    def test_each_resource_is_listed_with_its_environment(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        target = require(request, conformance_machine.target, registry.ListsResources)
        environment = conformance_machine.deployed(self.first, NUMBER)
        neighbour = conformance_machine.deployed(self.second, NEIGHBOUR)
        listed = conformance_machine.read(lambda: target.list_resources(conformance_machine.settings))
        assert {environment.name, neighbour.name} <= {item.environment for item in listed}
        assert all(item.kind and item.name and item.environment for item in listed)
        unknown = [
            item for item in listed
            if item.environment == environment.name
            and item.resource_id and item.resource_id not in environment.record.resource_names
        ]  # fmt: skip
        assert unknown == [], wording.REPORTED_AS_ORPHANS
        conformance_machine.destroy(NEIGHBOUR)
        left = target.list_resources(conformance_machine.settings)
        assert [item for item in left if item.environment == neighbour.name] == []

    def test_processes_and_events_can_be_inspected(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        target = require(request, conformance_machine.target, registry.Inspectable)
        environment = conformance_machine.deployed(self.first, NUMBER)
        found = conformance_machine.read(lambda: target.inspect(environment.name, conformance_machine.settings))
        assert isinstance(found, RuntimeInfo)

    def test_restarted_services_answer_again(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        target = require(request, conformance_machine.target, registry.Restarts)
        environment = conformance_machine.deployed(self.first, NUMBER)
        assert target.restart(environment.name, conformance_machine.settings, "")
        conformance_machine.wait_for(
            wording.ANSWERS_AGAIN, lambda: self.first.answers in conformance_machine.get(environment)
        )

    def test_expiry_is_set_and_cleared(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        target = require(request, conformance_machine.target, registry.TracksExpiry)
        environment = conformance_machine.deployed(self.first, NUMBER)
        for name in (environment.name, UNKNOWN):
            target.set_expiry(name, conformance_machine.settings, datetime.now(UTC) + timedelta(hours=1))
            target.set_expiry(name, conformance_machine.settings, None)

    def test_serving_ends_before_a_destroy(
        self, request: pytest.FixtureRequest, conformance_machine: ConformanceMachine
    ) -> None:
        target = require(request, conformance_machine.target, registry.StopsServing)
        environment = conformance_machine.deployed(self.second, NEIGHBOUR)
        for _ in range(2):
            target.stop_serving(environment.name, conformance_machine.settings)
        conformance_machine.wait_for(
            wording.NO_LONGER_ANSWERS, lambda: self.second.answers not in conformance_machine.get(environment)
        )
        conformance_machine.destroy(NEIGHBOUR)
