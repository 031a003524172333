"""Operations that are killed, and environments of which Eph lost the state."""

from __future__ import annotations

import pytest

from orchestrator.conformance import wording
from orchestrator.conformance.hostile_files import hostile_tree
from orchestrator.conformance.lifecycle_checks import NEIGHBOUR, NUMBER
from orchestrator.conformance.machine import CREATING, REMOVING, UPDATING, ConformanceMachine
from orchestrator.conformance.shared import SuiteDeclarations
from programs.kit import files
from stacks.model import OperationVerb


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

    def test_hostile_files_delay_neither_the_destroy_nor_a_neighbour(
        self, conformance_machine: ConformanceMachine
    ) -> None:
        environment = conformance_machine.deployed(self.first, NUMBER)
        hostile = conformance_machine.deployed(self.second, NEIGHBOUR)
        folder = self.writable_folder(conformance_machine.settings, hostile.name)
        if folder is None:
            pytest.skip(wording.no_writable_folder(self.target))
        hostile_tree(files.make_folder(folder))
        assert {environment.name, hostile.name} <= conformance_machine.names()
        conformance_machine.destroy(NEIGHBOUR)
        assert conformance_machine.remaining(hostile.name) == []
        assert self.first.answers in conformance_machine.get(environment)

    def _kill_create(self, machine: ConformanceMachine, step: str) -> None:
        killed = machine.run(machine.update(self.first, NEIGHBOUR), NEIGHBOUR, lambda line: line.startswith(step))
        assert killed.killed_at, killed.progress
