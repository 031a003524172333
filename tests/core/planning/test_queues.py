"""Limits and the one fair queue (L6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.core.model.policy import Policy
from orchestrator.core.planning import plan_actions
from orchestrator.core.planning.reason_codes import LimitCode
from orchestrator.core.views.phases import Phase
from tests.worlds.plan.pull_requests import sha
from tests.worlds.plan.simulation import Simulation


def world_with_pulls(policy: Policy, number: int) -> Simulation:
    """So many pull requests, opened a minute apart, the highest number first."""
    world = Simulation(policy)
    for each in range(number, 0, -1):
        world.open_pull(each)
        world.advance(minutes=1)
    return world


def limit(world: Simulation, number: int) -> LimitCode | None:
    wait = world.action(number)
    assert isinstance(wait, plan_actions.Wait)
    return wait.limit


def queue_positions(world: Simulation) -> dict[int, int | None]:
    return {a.key.number: a.position for a in world.plan().actions if isinstance(a, plan_actions.Wait)}


def test_what_is_over_the_limit_waits_by_who_came_first() -> None:
    world = world_with_pulls(Policy(max_environments=2), 5)
    assert {a.key.number for a in world.plan().actions if isinstance(a, plan_actions.Create)} == {5, 4}
    assert queue_positions(world) == {3: 1, 2: 2, 1: 3}
    assert limit(world, 3) is LimitCode.ENVIRONMENTS
    view = world.view(2)
    assert (view.phase, view.queue_position) == (Phase.QUEUED, 2)


def test_what_exists_is_never_evicted_and_room_goes_to_the_first() -> None:
    world = world_with_pulls(Policy(max_environments=2), 4)
    world.run_cycle()
    world.policy = replace(world.policy, max_environments=1)
    assert not [a for a in world.plan().actions if isinstance(a, plan_actions.Destroy)]
    world.policy = replace(world.policy, max_environments=2)
    world.unlabel(4)
    world.run_cycle(2)
    assert isinstance(world.action(2), plan_actions.Keep)
    assert queue_positions(world) == {1: 1}


def test_a_full_repository_does_not_hold_up_another() -> None:
    world = world_with_pulls(Policy(max_per_repository=1), 3)
    world.open_pull(9, repository=2)
    assert isinstance(world.action(9, 2), plan_actions.Create)
    assert queue_positions(world) == {2: 1, 1: 2}
    assert limit(world, 1) is LimitCode.REPOSITORY


def test_so_many_operations_run_at_once_and_creations_under_way_take_room() -> None:
    world = world_with_pulls(Policy(max_concurrent=2, max_environments=3), 5)
    world.start(world.plan())
    assert len(world.jobs) == 2
    assert queue_positions(world) == {5: None, 4: None, 3: 1, 2: 2, 1: 3}
    world.finish_all()
    world.start(world.plan())
    assert len(world.jobs) == 1, "there was room for one more"


def test_making_and_cleaning_share_the_slots() -> None:
    world = world_with_pulls(Policy(max_concurrent=4, concurrent_destroys=2, debounce=timedelta(0)), 12)
    world.run_cycle(3)
    for number in range(1, 7):
        world.unlabel(number)
    for number in range(7, 13):
        world.push(number, "bbbbbbb")
    world.start(world.plan())
    kinds = sorted(type(job.action).__name__ for job in world.jobs.values())
    assert kinds == ["Destroy", "Destroy", "Update", "Update"]
    waiting = [
        a
        for a in world.plan().actions
        if isinstance(a, plan_actions.Wait) and a.waiting_for is plan_actions.WaitingFor.DESTROY
    ]
    assert len(waiting) == 4
    assert {a.position for a in waiting} == {None}


def test_destroys_that_hang_leave_a_slot_for_making() -> None:
    world = world_with_pulls(Policy(max_concurrent=4), 8)
    world.run_cycle(2)
    for number in range(1, 9):
        world.unlabel(number)
    world.start(world.plan())
    assert len(world.jobs) == 3
    world.open_pull(20)
    assert isinstance(world.action(20), plan_actions.Create)


def test_a_running_crowd_of_makes_gives_way_to_a_destroy() -> None:
    world = world_with_pulls(Policy(max_concurrent=4, debounce=timedelta(0)), 9)
    world.run_cycle()
    world.start(world.plan())
    world.unlabel(9)
    assert isinstance(world.action(9), plan_actions.Wait)
    world.finish(next(iter(world.jobs)))
    assert isinstance(world.action(9), plan_actions.Destroy)


def test_with_one_slot_making_and_cleaning_take_turns() -> None:
    world = Simulation(Policy(max_concurrent=1))
    world.open_pull(1)
    world.run_cycle()
    world.unlabel(1)
    world.open_pull(2)
    kinds = set()
    for _ in range(2):
        kinds |= {type(action) for action in world.plan().changes}
        world.advance(minutes=1)
    assert kinds == {plan_actions.Create, plan_actions.Destroy}


def test_a_destroy_that_makes_room_for_somebody_goes_first() -> None:
    world = Simulation(Policy(max_per_repository=3, concurrent_destroys=1))
    for number in (1, 2, 3):
        world.open_pull(number, repository=1)
        world.open_pull(number, repository=2)
    world.run_cycle(2)
    for repository in (1, 2):
        world.unlabel(2, repository)
    world.open_pull(9, repository=2)
    gone = [a for a in world.plan().actions if isinstance(a, plan_actions.Destroy)]
    assert gone[0].ref == world.ref(2, 2)


def test_an_upgrade_of_everything_waits_behind_people() -> None:
    world = world_with_pulls(Policy(max_concurrent=2, program_versions={"local": "1"}), 4)
    world.run_cycle(2)
    world.policy = replace(world.policy, program_versions={"local": "2"})
    world.open_pull(9)
    assert isinstance(world.plan().changes[1], plan_actions.Create)
    assert len(world.plan().changes) == 2


def test_further_pushes_do_not_lose_the_place() -> None:
    world = world_with_pulls(Policy(max_environments=1), 3)
    world.push(3, "ccccccc")
    world.push(2, "bbbbbbb")
    assert queue_positions(world) == {2: 1, 1: 2}


def test_a_creation_under_way_takes_room_before_its_stack_is_to_be_seen() -> None:
    world = world_with_pulls(Policy(max_environments=2, max_concurrent=4), 3)
    world.start(world.plan())
    assert len(world.jobs) == 2
    assert limit(world, 1) is LimitCode.ENVIRONMENTS


def test_a_retry_queues_from_its_failure() -> None:
    world = Simulation(Policy(max_concurrent=1))
    world.failing.add(sha("baddbad"))
    world.open_pull(1, "baddbad")
    world.start(world.plan())
    world.advance(seconds=5)
    world.open_pull(2)
    world.advance(seconds=5)
    world.finish_all()
    world.advance(seconds=30)
    assert isinstance(world.action(2), plan_actions.Create), "it waits since before the failure"
    assert queue_positions(world)[1] == 1
