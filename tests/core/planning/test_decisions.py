"""What the planner decides for an existing environment: update, interrupt, repair, hold (L5, L6, L8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core.model import environment_facts
from orchestrator.core.model.world import RunningOperation, World
from orchestrator.core.planning import plan_actions, plans
from orchestrator.core.planning.reason_codes import HoldCode, LaneCode, UpdateCode
from orchestrator.core.views.phases import Phase
from stacks import keys, names
from stacks.model import OperationVerb, StackLock, StackRecord, StackRef, StackSnapshot
from tests.worlds.plan.pull_requests import START, sha
from tests.worlds.plan.simulated_facts import FOREIGN
from tests.worlds.plan.simulation import Simulation, stack_actions


def lock(dead: bool) -> StackLock:
    return StackLock("1", 77, "node-a", "eph", START, owner_dead=dead)


def lane(world: Simulation) -> LaneCode | None:
    wait = world.action(42)
    assert isinstance(wait, plan_actions.Wait)
    return wait.lane


def test_a_push_updates_in_place_once_pushes_end(live_world: Simulation) -> None:  # L5, L6
    live_world.push(42, "bbbbbbb")
    wait = live_world.action(42)
    assert isinstance(wait, plan_actions.Wait)
    assert (wait.waiting_for, wait.until) == (plan_actions.WaitingFor.SETTLE, live_world.now + timedelta(seconds=2))
    live_world.advance(seconds=2)
    update = live_world.action(42)
    assert isinstance(update, plan_actions.Update)
    assert update.code is UpdateCode.NEW_COMMIT
    assert update.tag is not None
    assert (update.tag.commit, update.tag.seen, update.ref) == (
        sha("bbbbbbb"),
        live_world.now - timedelta(seconds=2),
        live_world.ref(42),
    )


def test_a_storm_of_pushes_delays_its_update_five_debounces_at_most(live_world: Simulation) -> None:  # L6
    for second in range(12):
        live_world.push(42, f"b{second:06}")
        if isinstance(live_world.action(42), plan_actions.Update):
            break
        live_world.advance(seconds=1)
    assert second == 10


def test_the_first_make_does_not_wait_for_more_pushes(live_world: Simulation) -> None:  # L5
    live_world.open_pull(43)
    assert isinstance(live_world.action(43), plan_actions.Create)


@pytest.mark.parametrize("part", ["spec", "program"])
def test_changed_spec_is_rebuilt(live_world: Simulation, part: str) -> None:  # L1
    built = live_world.stacks[live_world.ref(42)].built
    assert built is not None
    live_world.edit_record(
        42,
        built=replace(built, spec_digest="0") if part == "spec" else replace(built, program_version="0"),
    )
    update = live_world.action(42)
    assert isinstance(update, plan_actions.Update)
    assert update.tag is None, "the tag says the same as before"


@pytest.mark.parametrize(
    ("facts", "refresh", "code"),
    [
        ({"pending_operations": 2}, True, UpdateCode.HALF_DONE),
        ({"locks": (lock(dead=True),)}, True, UpdateCode.DEAD_LOCK),
        ({"tag": None}, False, UpdateCode.NOT_FINISHED),
        ({"built": None}, False, UpdateCode.NOT_FINISHED),
    ],
)
def test_interrupted_create_is_completed(
    live_world: Simulation, facts: dict[str, object], refresh: bool, code: UpdateCode
) -> None:
    """L8."""
    live_world.edit_record(42, **facts)
    update = live_world.action(42)
    assert isinstance(update, plan_actions.Update)
    assert (update.refresh, update.code) == (refresh, code)
    live_world.run_cycle()
    assert isinstance(live_world.action(42), plan_actions.Update | plan_actions.Keep)


def test_what_broke_off_and_is_not_wanted_is_destroyed(live_world: Simulation) -> None:  # L8
    live_world.edit_record(42, tag=None, built=None, pending_operations=1, locks=(lock(dead=True),))
    live_world.unlabel(42)
    destroy = live_world.action(42)
    assert isinstance(destroy, plan_actions.Destroy)
    assert destroy.name == "", "nothing tells its name: it goes by its state, and targets show what else is there"
    live_world.edit_record(42, name_from_state="shop-of-old-42")
    destroy = live_world.action(42)
    assert isinstance(destroy, plan_actions.Destroy)
    assert destroy.name == "shop-of-old-42", "its resources do"


def test_a_close_before_the_stack_is_there_does_not_lose_the_name() -> None:  # P2
    """Found by ``make chaos``: what was shown under that name (a deployment in progress) could not be taken back."""
    ref = names.stack_ref(keys.pull_request(1, 42), "acme/shop")
    running = RunningOperation(ref, OperationVerb.UP, sha("aaaaaaa"), START, name="shop-gentle-stream-42")
    [subject] = environment_facts.collect(World({}, StackSnapshot(), running={ref: running}))
    assert subject.name == "shop-gentle-stream-42"


def test_a_lost_tag_moves_no_environment_to_another_name(live_world: Simulation) -> None:  # L2, Y3
    live_world.edit_record(42, tag=None, name_from_state="shop-of-old-42")
    update = live_world.action(42)
    assert isinstance(update, plan_actions.Update)
    assert (update.spec.name, update.tag and update.tag.name) == ("shop-of-old-42", "shop-of-old-42")


@pytest.mark.parametrize(
    ("facts", "code", "command"),
    [
        ({"locks": (lock(dead=False),)}, HoldCode.LOCKED, "pulumi cancel --yes --stack organization/"),
        ({"locks": (replace(lock(dead=False), pid=0),)}, HoldCode.LOCKED, "pulumi cancel --yes --stack organization/"),
        ({"unreadable": "cut after 4 KB"}, HoldCode.UNREADABLE, "pulumi stack export --stack organization/"),
    ],
)
def test_what_cannot_be_judged_is_held_and_shown_first(
    live_world: Simulation, facts: dict[str, object], code: HoldCode, command: str
) -> None:
    """L8, L2."""
    live_world.open_pull(1)
    live_world.edit_record(42, **facts)
    live_world.close_pull(42)
    hold = live_world.plan().actions[0]
    assert isinstance(hold, plan_actions.Hold)
    assert hold.code is code
    assert hold.command.startswith(command)
    assert live_world.view(42).phase is Phase.HELD
    assert isinstance(live_world.action(1), plan_actions.Create), "one broken environment stops nobody else"


def test_a_second_stack_for_one_pull_request_is_held(live_world: Simulation) -> None:  # Y3
    other = StackRef("eph-store-1", "pr-42")
    live_world.stacks[other] = StackRecord(other)
    held = live_world.actions(other)
    assert isinstance(held[0], plan_actions.Hold)
    assert held[0].code is HoldCode.DUPLICATE


def test_a_newer_commit_ends_a_running_update(live_world: Simulation) -> None:  # L6
    live_world.push(42, "bbbbbbb")
    live_world.advance(seconds=5)
    live_world.start(live_world.plan())
    assert lane(live_world) is LaneCode.RUNNING
    live_world.push(42, "ccccccc")
    assert isinstance(live_world.action(42), plan_actions.Wait), "perhaps another push comes"
    live_world.advance(seconds=3)
    interrupt = live_world.action(42)
    assert isinstance(interrupt, plan_actions.Interrupt)
    assert not interrupt.unwanted
    live_world.start(live_world.plan())
    assert lane(live_world) is LaneCode.CANCELING
    live_world.finish_all()
    live_world.run_cycle()
    built = live_world.stacks[live_world.ref(42)].built
    assert built is not None
    assert built.commit == sha("ccccccc")


def test_an_update_is_superseded_three_times_at_most(live_world: Simulation) -> None:  # L6
    ref = live_world.ref(42)
    live_world.push(42, "bbbbbbb")
    live_world.advance(seconds=5)
    live_world.superseded[ref] = 3
    live_world.start(live_world.plan())
    live_world.push(42, "ccccccc")
    live_world.advance(seconds=5)
    assert lane(live_world) is LaneCode.SUPERSEDED_TOO_OFTEN


def test_a_label_taken_away_ends_a_running_creation(live_world: Simulation) -> None:  # L5, pitfall 1
    live_world.open_pull(43)
    live_world.start(live_world.plan())
    live_world.unlabel(43)
    interrupt = live_world.action(43)
    assert isinstance(interrupt, plan_actions.Interrupt)
    assert interrupt.unwanted
    live_world.run_cycle(3)
    assert live_world.ref(43) not in live_world.stacks


def test_a_close_during_creation_is_confirmed_and_leaves_nothing(live_world: Simulation) -> None:  # L5, pitfall 1
    live_world.open_pull(43)
    live_world.start(live_world.plan())
    live_world.close_pull(43)
    assert isinstance(live_world.action(43), plan_actions.Confirm)
    live_world.start(live_world.plan())
    assert isinstance(live_world.action(43), plan_actions.Interrupt)
    live_world.run_cycle(3)
    assert live_world.stacks.keys() == {FOREIGN, live_world.ref(42)}
    assert live_world.targets["local"] == {"shop1-gentle-stream-42"}


def test_environment_desired_again_during_destroy_is_recreated(live_world: Simulation) -> None:  # L5
    live_world.unlabel(42)
    live_world.start(live_world.plan())
    live_world.label(42)
    assert lane(live_world) is LaneCode.NEEDED_AGAIN
    live_world.finish_all()
    assert isinstance(live_world.action(42), plan_actions.Create)


def test_a_url_that_falls_silent_is_repaired_with_patience(live_world: Simulation) -> None:  # L9
    live_world.advance(minutes=30)
    live_world.report_health(42, ok=False, ago=timedelta(seconds=44))
    assert isinstance(live_world.action(42), plan_actions.Keep)
    assert live_world.view(42).phase is Phase.UNHEALTHY
    live_world.report_health(42, ok=False, ago=timedelta(seconds=46))
    repair = live_world.action(42)
    assert isinstance(repair, plan_actions.Update)
    assert (repair.refresh, repair.code) == (True, UpdateCode.UNRESPONSIVE)


def test_a_url_that_never_answered_gets_its_own_deadline(live_world: Simulation) -> None:  # P3
    live_world.report_health(42, ok=False, ago=timedelta(seconds=30))
    live_world.advance(minutes=4)
    assert isinstance(live_world.action(42), plan_actions.Keep)
    assert live_world.view(42).phase is Phase.STARTING
    live_world.advance(minutes=2)
    assert isinstance(live_world.action(42), plan_actions.Update)


def test_repairs_that_do_not_help_are_paced(live_world: Simulation) -> None:  # L9
    repairs = 0
    for _ in range(24 * 60):
        record = live_world.stacks[live_world.ref(42)]
        assert record.built is not None
        live_world.report_health(42, ok=False, ago=live_world.now - record.built.built_at)
        repairs += isinstance(live_world.action(42), plan_actions.Update)
        live_world.run_cycle(seconds=60)
        if live_world.now - START > timedelta(hours=10):
            break
    assert 10 <= repairs <= 50


def test_an_asleep_environment_is_left_alone_until_a_push(live_world: Simulation) -> None:  # L5
    tag = live_world.stacks[live_world.ref(42)].tag
    assert tag is not None
    live_world.edit_record(42, tag=replace(tag, asleep=live_world.now))
    live_world.advance(minutes=30)
    live_world.report_health(42, ok=False, ago=timedelta(minutes=9))
    assert isinstance(live_world.action(42), plan_actions.Keep)
    assert live_world.view(42).phase is Phase.ASLEEP
    live_world.push(42, "bbbbbbb")
    live_world.advance(seconds=5)
    update = live_world.action(42)
    assert isinstance(update, plan_actions.Update)
    assert update.tag is not None
    assert not update.tag.asleep


def test_an_operation_whose_stack_is_not_to_be_seen_yet_keeps_its_lane(live_world: Simulation) -> None:  # L6
    live_world.open_pull(43)
    world = replace(
        live_world.world(),
        running={
            live_world.ref(43): RunningOperation(live_world.ref(43), OperationVerb.UP, sha("aaaaaaa"), live_world.now)
        },
    )
    plan = plans.plan(world, live_world.policy, live_world.now)
    about = [action for action in stack_actions(plan) if action.ref == live_world.ref(43)]
    assert isinstance(about[0], plan_actions.Wait)
    assert about[0].waiting_for is plan_actions.WaitingFor.LANE


def test_a_stack_that_says_it_is_another_pull_requests_is_held(live_world: Simulation) -> None:  # L7
    tag = live_world.stacks[live_world.ref(42)].tag
    assert tag is not None
    live_world.edit_record(42, tag=replace(tag, key=keys.pull_request(1, 41)))
    live_world.unlabel(42)
    hold = live_world.action(42)
    assert isinstance(hold, plan_actions.Hold)
    assert hold.code is HoldCode.FOREIGN_TAG


def test_unconfirmed_absence_interrupts_nothing(live_world: Simulation) -> None:  # L7
    live_world.push(42, "bbbbbbb")
    live_world.advance(seconds=5)
    live_world.start(live_world.plan())
    live_world.pulls.clear()
    live_world.start(live_world.plan())
    assert isinstance(live_world.action(42), plan_actions.Wait)


def test_unconfirmed_absence_destroys_nothing_with_incomplete_inventory(live_world: Simulation) -> None:  # L7
    live_world.open_pull(1)
    live_world.run_cycle()
    live_world.pulls.clear()
    live_world.start(live_world.plan())
    live_world.stacks_complete = False
    acts = live_world.plan().actions
    assert acts
    assert all(isinstance(action, plan_actions.Hold) for action in acts)
