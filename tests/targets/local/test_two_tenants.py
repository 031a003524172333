"""Hostile code in one environment changes nothing for its neighbour. ``make attack`` does the same for ten minutes."""

from __future__ import annotations

import pytest

from programs.kit.isolation import limits
from programs.kit.processes import sandbox
from tests.targets import two_tenants
from tests.targets.local_machine import LocalMachine, Repository

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
    pytest.mark.skipif(limits.method() == "rlimits", reason="CPU and memory can't be bounded without control groups"),
]


@pytest.mark.exhaustive
def test_hostile_code_changes_nothing_for_its_neighbour(machine: LocalMachine, repository: Repository) -> None:
    """S3 L7 T1: neither its latency, nor its contents, nor its database, nor cleanup."""
    with two_tenants.bounded_machine(machine, repository) as isolated:
        assert two_tenants.attack(isolated, 10.0).problems() == []
