"""Operations that are killed, and environments of which Eph lost the state."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from orchestrator.conformance import wording
from orchestrator.conformance.hostile_files import hostile_tree
from orchestrator.conformance.lifecycle_checks import NEIGHBOUR, NUMBER
from orchestrator.conformance.machine import CREATING, REMOVING, UPDATING, ConformanceMachine
from orchestrator.conformance.shared import SuiteDeclarations
from programs.kit import files
from stacks.model import OperationVerb

SLOWER, SPARE_SECONDS = 4, 30.0
"""An operation next to a hostile environment may take this many times as long as an update did before, and a bit more:
a verdict must not depend on how busy the machine is."""


class RecoveryChecks(SuiteDeclarations):
    @pytest.mark.timeout(0)  # as long as the operations may take, each of which has its deadline
    def test_killed_create_is_completed_or_destroyed(self, conformance_machine: ConformanceMachine) -> None:
        """``kill -9`` at the first, a middle and the last resource. The next operation on the stack is an update; after
        the last kill, it is a destroy."""
        conformance_machine.deployed(self.first, NUMBER)
        steps = conformance_machine.creation_steps
        assert steps, wording.CREATED_NOTHING
        conformance_machine.ensure_absent(NEIGHBOUR)
        for step in dict.fromkeys((steps[0], steps[len(steps) // 2], steps[-1])):
            self._kill_create(conformance_machine, step)
            conformance_machine.deploy(self.first, NEIGHBOUR, refresh=True)
            conformance_machine.destroy(NEIGHBOUR)
        self._kill_create(conformance_machine, steps[-1])
        conformance_machine.destroy(NEIGHBOUR, refresh=True)
        assert conformance_machine.name(NEIGHBOUR) not in conformance_machine.names()
        assert conformance_machine.remaining(conformance_machine.name(NEIGHBOUR)) == []

    @pytest.mark.timeout(0)
    def test_killed_update_is_completed(self, conformance_machine: ConformanceMachine) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        operation = conformance_machine.update(self.second, NUMBER)
        killed = conformance_machine.run(operation, NUMBER, lambda line: line.startswith((UPDATING, CREATING)))
        assert killed.killed_at, killed.progress
        repaired = conformance_machine.deploy(self.second, NUMBER, refresh=True)
        assert repaired.url == environment.url

    @pytest.mark.timeout(0)
    def test_killed_destroy_is_completed(self, conformance_machine: ConformanceMachine) -> None:
        environment = conformance_machine.deployed(self.second, NEIGHBOUR)
        operation = conformance_machine.operation(OperationVerb.DESTROY, NEIGHBOUR)
        killed = conformance_machine.run(operation, NEIGHBOUR, lambda line: line.startswith(REMOVING))
        assert killed.killed_at, killed.progress
        conformance_machine.destroy(NEIGHBOUR, refresh=True)
        assert environment.name not in conformance_machine.names()
        assert conformance_machine.remaining(environment.name) == []

    def test_environment_without_state_is_purged_by_name(self, conformance_machine: ConformanceMachine) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        neighbour = conformance_machine.deployed(self.second, NEIGHBOUR)
        conformance_machine.forget_state(NEIGHBOUR)
        assert neighbour.name in conformance_machine.names(), wording.LIST_NEEDS_STATE
        conformance_machine.destroy(NEIGHBOUR)
        assert neighbour.name not in conformance_machine.names()
        assert conformance_machine.remaining(neighbour.name) == []
        assert self.second.answers not in conformance_machine.get(neighbour)
        assert self.first.answers in conformance_machine.get(environment)
        conformance_machine.target.purge(neighbour.name, conformance_machine.settings)  # idempotent

    @pytest.mark.timeout(0)
    def test_hostile_environment_delays_no_reading_update_or_destroy(
        self, conformance_machine: ConformanceMachine
    ) -> None:
        """Neither its neighbour's nor its own."""
        machine = conformance_machine
        hostile = machine.deployed(self.second, NEIGHBOUR)
        machine.deployed(self.second, NUMBER)
        quiet = _seconds(lambda: machine.deploy(self.first, NUMBER))
        if not self._make_hostile(machine, hostile.name):
            pytest.skip(wording.no_hostility(self.target))
        most = SLOWER * quiet + SPARE_SECONDS
        assert {machine.name(NUMBER), hostile.name} <= machine.names()
        assert machine.remaining(machine.name(NUMBER)), wording.LEAVES_NOTHING
        assert _seconds(lambda: machine.deploy(self.second, NUMBER)) < most, wording.HOSTILE_DELAYS
        assert _seconds(lambda: machine.destroy(NUMBER)) < most, wording.HOSTILE_DELAYS
        assert machine.remaining(machine.name(NUMBER)) == []
        neighbour = machine.deploy(self.first, NUMBER)
        machine.destroy(NEIGHBOUR)
        assert machine.remaining(hostile.name) == []
        assert self.first.answers in machine.get(neighbour)

    def _make_hostile(self, machine: ConformanceMachine, name: str) -> bool:
        """Whether the environment now resists its removal in some way."""
        folder = self.writable_folder(machine.settings, name)
        if folder is not None:
            hostile_tree(files.make_folder(folder))
        return self.make_hostile(machine.settings, name) or folder is not None

    def _kill_create(self, machine: ConformanceMachine, step: str) -> None:
        killed = machine.run(machine.update(self.first, NEIGHBOUR), NEIGHBOUR, lambda line: line.startswith(step))
        assert killed.killed_at, killed.progress


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
