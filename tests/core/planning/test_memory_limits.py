"""Memory bounds how many operations run at a time, and the queue says so (L6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import World
from orchestrator.core.planning import memory_limits, plan_actions, plans
from orchestrator.core.planning.memory_limits import Headroom
from orchestrator.core.planning.reason_codes import LimitCode
from tests.worlds.plan.simulation import Simulation

MB = 1_000_000


@dataclass
class SmallMachine(Simulation):
    """A machine with so much memory."""

    free_bytes: int = 0
    used_bytes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__init__(Policy(max_concurrent=4, debounce=timedelta(0)))

    def world(self) -> World:
        return replace(super().world(), headroom=Headroom(self.free_bytes, 200 * MB, 100 * MB, self.used_bytes))


def started_creates(world: Simulation) -> int:
    return len([a for a in world.plan().actions if isinstance(a, plan_actions.Create)])


@pytest.mark.parametrize(
    ("free", "started"), [(5000 * MB, 4), (900 * MB, 4), (899 * MB, 3), (500 * MB, 2), (300 * MB, 1), (0, 1)]
)
def test_as_many_as_fit_and_always_one(free: int, started: int) -> None:
    world = SmallMachine(free)
    for number in range(1, 7):
        world.open_pull(number)
    assert started_creates(world) == started


def test_what_runs_has_not_used_all_that_it_will() -> None:
    """Two under way: one took half of its share, the other was not measured yet."""
    world = SmallMachine(800 * MB)
    for number in range(1, 7):
        world.open_pull(number)
    world.start(world.plan(), limit=2)
    world.used_bytes = (100 * MB,)
    assert started_creates(world) == 2
    world.free_bytes = 700 * MB
    assert started_creates(world) == 1
    world.used_bytes = (200 * MB, 200 * MB)
    assert started_creates(world) == 2, "what they took is gone from what is free"


def test_the_queue_says_why() -> None:
    world = SmallMachine(500 * MB)
    for number in range(1, 4):
        world.open_pull(number)
    [waits] = [a for a in world.plan().actions if isinstance(a, plan_actions.Wait)]
    assert (waits.position, waits.waiting_for) == (1, plan_actions.WaitingFor.QUEUE)
    assert waits.limit is LimitCode.MEMORY
    assert len(world.plan().notes) == 1


def test_plenty_of_memory_says_nothing() -> None:
    world = SmallMachine(5000 * MB)
    for number in range(1, 9):
        world.open_pull(number)
    assert world.plan().notes == ()
    waits = [a for a in world.plan().actions if isinstance(a, plan_actions.Wait)]
    assert LimitCode.MEMORY not in [wait.limit for wait in waits]


def test_who_measured_nothing_bounds_nothing() -> None:
    policy = Policy()
    assert memory_limits.limit_policy(policy, None, 3) is policy
    assert plans.plan(Simulation().world(), policy, Simulation().now).notes == ()
