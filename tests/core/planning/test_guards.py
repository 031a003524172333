"""The brake on mass deletion, and leftovers on targets (L7, pitfall 2, pitfall 3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.planning import plan_actions
from orchestrator.core.planning.reason_codes import HoldCode
from stacks.model import StackRef
from tests.worlds.plan.simulated_facts import FOREIGN
from tests.worlds.plan.simulation import Simulation, stack_actions


def world_with_pulls(number: int, **policy: Any) -> Simulation:
    limits = Policy(debounce=timedelta(0), max_concurrent=50, concurrent_destroys=40, max_per_repository=50)
    world = Simulation(replace(limits, **policy))
    for each in range(1, number + 1):
        world.open_pull(each)
    world.run_cycle()
    return world


def remove_pulls(world: Simulation, number: int) -> None:
    """So many pull requests are suddenly unknown to the Git host, which was asked for each."""
    for key in list(world.pulls)[:number]:
        del world.pulls[key]
    world.start(world.plan())


def destroys(world: Simulation) -> list[plan_actions.Destroy]:
    return [action for action in world.plan().actions if isinstance(action, plan_actions.Destroy)]


@pytest.mark.parametrize(("ours", "gone", "through"), [(10, 5, 5), (10, 6, 0), (40, 12, 12), (40, 13, 0)])
def test_mass_deletion_above_the_share_is_held(ours: int, gone: int, through: int) -> None:
    world = world_with_pulls(ours)
    remove_pulls(world, gone)
    assert len(destroys(world)) == through


def test_recent_destroys_count() -> None:
    world = world_with_pulls(10)
    remove_pulls(world, 3)
    world.run_cycle()
    remove_pulls(world, 3)
    assert destroys(world) == []
    world.advance(minutes=61)
    assert len(destroys(world)) == 3


def test_confirmed_closes_do_not_count() -> None:
    world = world_with_pulls(10)
    for number in range(1, 11):
        world.merge(number)
    world.run_cycle(3)
    assert world.stacks.keys() == {FOREIGN}


def test_an_operator_lets_that_very_plan_through_to_its_end() -> None:
    world = world_with_pulls(20, max_concurrent=4, concurrent_destroys=2)
    world.run_cycle(5)
    remove_pulls(world, 9)
    plan = world.plan()
    hold = plan.actions[0]
    assert isinstance(hold, plan_actions.Hold)
    assert hold.command == f"eph approve {plan.digest}"
    assert hold.code is HoldCode.DESTROY_LIMIT
    assert plan.held_note in plan.notes
    assert len(plan.guarded) == 9
    world.approved_plans.add(plan.digest)
    world.approved |= set(plan.guarded)
    world.run_cycle(6)
    assert len(world.stacks) == 11 + 1


def test_an_approval_is_for_that_very_set() -> None:
    world = world_with_pulls(20)
    remove_pulls(world, 7)
    world.approved_plans.add(world.plan().digest)
    remove_pulls(world, 1)
    assert destroys(world) == []


def test_a_guarded_destroy_that_failed_is_not_judged_again() -> None:
    world = world_with_pulls(10)
    remove_pulls(world, 5)
    world.stuck |= set(world.stacks)
    world.run_cycle()
    world.advance(minutes=1)
    assert len(destroys(world)) == 5


def test_leftovers_are_purged_and_nothing_else() -> None:
    world = world_with_pulls(2)
    world.targets["local"] |= {"shop1-lost-lamb-7"}
    purges = [action for action in world.plan().actions if isinstance(action, plan_actions.Purge)]
    assert [(purge.target, purge.name) for purge in purges] == [("local", "shop1-lost-lamb-7")]
    world.run_cycle()
    assert world.targets["local"] == {"shop1-gentle-stream-1", "shop1-gentle-stream-2"}


def test_nothing_is_purged_while_stacks_are_unknown() -> None:
    world = world_with_pulls(2)
    world.targets["local"] |= {"shop1-lost-lamb-7"}
    world.stacks_complete = False
    assert not [action for action in world.plan().actions if isinstance(action, plan_actions.Purge)]
    assert len(world.plan().notes) == 1


def test_a_stack_without_a_name_protects_its_number() -> None:
    world = world_with_pulls(2)
    world.pulls.clear()
    world.edit_record(1, tag=None, unreadable="cut")
    purges = [action for action in world.plan().actions if isinstance(action, plan_actions.Purge)]
    assert purges == []


def test_a_wrong_backend_does_not_empty_the_targets() -> None:
    world = world_with_pulls(0)
    world.targets["local"] |= {f"shop1-lost-lamb-{number}" for number in range(30)}
    plan = world.plan()
    assert plan.changes == ()
    assert plan.held_note
    assert plan.digest in plan.held_note, "no stack could show the command"


def test_a_half_made_leftover_of_a_candidate_waits_for_its_creation() -> None:
    world = world_with_pulls(0)
    world.open_pull(7)
    world.targets["local"] |= {"shop1-gentle-stream-7"}
    assert [type(action) for action in world.plan().changes] == [plan_actions.Create]


def test_stacks_that_are_not_ours_are_never_mentioned() -> None:
    world = world_with_pulls(1)
    for foreign in (StackRef("eph-shop-1", "main"), StackRef("eph-shop-007", "pr-1"), StackRef("shop-1", "pr-1")):
        world.stacks[foreign] = world.stacks[world.ref(1)]
    world.pulls.clear()
    assert {action.ref for action in stack_actions(world.plan())} == {world.ref(1)}


def test_the_share_counts_what_was_there_when_the_hour_began() -> None:
    world = world_with_pulls(40, max_concurrent=6)
    world.run_cycle(6)
    remove_pulls(world, 12)
    world.run_cycle(4)
    assert len(world.stacks) == 28 + 1, "twelve of forty, though only five at once"


def test_a_leftover_of_one_that_is_not_wanted_is_purged() -> None:
    world = world_with_pulls(0)
    world.open_pull(7, draft=True, recipe={"allow_drafts": False})
    world.targets["local"] |= {"shop1-gentle-stream-7"}
    assert [type(action) for action in world.plan().changes] == [plan_actions.Purge]
