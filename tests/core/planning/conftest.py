"""A world with one live environment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.core.model.policy import Policy
from tests.worlds.plan.simulation import Simulation


@pytest.fixture
def live_world() -> Simulation:
    world = Simulation(Policy(debounce=timedelta(seconds=2), program_versions={"local": "1"}))
    world.open_pull(42)
    world.run_cycle()
    world.report_health(42)
    return world
