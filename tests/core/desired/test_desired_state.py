"""Who gets an environment, who does not, and what happens when that is not known (L1, L2, L7, S2)."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest

from orchestrator.core.model.world import CheckState, RecipeError
from orchestrator.core.planning import plan_actions, plans
from orchestrator.core.planning.plan_actions import WaitingFor
from orchestrator.core.planning.reason_codes import HoldCode, RefusalCode, UnwantedCode
from orchestrator.core.views.phases import Phase
from orchestrator.forges.pull_requests import PullState
from stacks import keys, tags
from tests.worlds.plan.pull_requests import sha, spec
from tests.worlds.plan.simulated_facts import FOREIGN
from tests.worlds.plan.simulation import Simulation


@pytest.fixture
def world() -> Simulation:
    return Simulation()


@pytest.fixture
def live_world(world: Simulation) -> Simulation:
    """One environment, built and answering."""
    world.open_pull(42)
    world.run_cycle()
    world.report_health(42)
    return world


def test_a_labelled_pull_request_gets_an_environment(world: Simulation) -> None:  # L1, L5
    ref = world.open_pull(42)
    create = world.action(42)
    assert isinstance(create, plan_actions.Create)
    assert (create.ref, create.tag.commit, create.tag.seen, create.tag.incarnation) == (
        ref,
        create.spec.source.commit,
        world.now,
        "",
    )
    world.run_cycle()
    assert isinstance(world.action(42), plan_actions.Keep)
    assert world.plan().changes == ()


def test_without_the_label_nothing_is_made_and_nothing_shown(world: Simulation) -> None:  # L3
    world.open_pull(42, labels=frozenset({"bug"}))
    assert world.plan().actions == ()


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"fork": True}, WaitingFor.APPROVAL),
        ({"trusted": False}, RefusalCode.AUTHOR_UNTRUSTED),
        ({"trusted": None}, WaitingFor.ACCESS),
        ({"problems": ("eph.yaml:3: ?",)}, RefusalCode.INVALID_CONFIG),
        ({"problems": ("502",), "transient": True}, WaitingFor.CONFIG),
        ({"draft": True, "recipe": {"allow_drafts": False}}, UnwantedCode.EXCLUDED),
        ({"recipe": {"wait_for_checks": ("unit",)}}, WaitingFor.CHECKS),
    ],
)
def test_reasons_that_block_creation(world: Simulation, facts: dict[str, Any], code: StrEnum) -> None:
    """S2, S3, Y1, L3."""
    world.open_pull(42, **facts)
    action = world.action(42)
    assert isinstance(action, plan_actions.Wait | plan_actions.Refuse)
    assert (action.waiting_for if isinstance(action, plan_actions.Wait) else action.code) is code


def test_creation_waits_for_failed_and_pending_checks(world: Simulation) -> None:  # L3
    checks = {"lint": CheckState.FAILED, "unit": CheckState.PENDING, "types": CheckState.PASSED}
    world.open_pull(42, checks=checks, recipe={"wait_for_checks": ("lint", "unit", "types")})
    for passed in ("lint", "unit"):
        wait = world.action(42)
        assert isinstance(wait, plan_actions.Wait)
        assert wait.waiting_for is WaitingFor.CHECKS
        checks[passed] = CheckState.PASSED
        world.change(42, checks=dict(checks))
    assert isinstance(world.action(42), plan_actions.Create)


def test_a_broken_eph_yaml_leaves_the_environment_as_it_was(live_world: Simulation) -> None:  # Y1
    live_world.push(42, "bbbbbbb")
    live_world.change(42, problems=("eph.yaml:3: unknown key 'servces'",))
    refuse = live_world.action(42)
    assert isinstance(refuse, plan_actions.Refuse)
    assert refuse.problems == ("eph.yaml:3: unknown key 'servces'",)
    view = live_world.view(42)
    assert (view.phase, view.commit[:7], view.url) == (
        Phase.REFUSED,
        "aaaaaaa",
        "http://shop1-gentle-stream-42.localhost",
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"labels": frozenset()}, UnwantedCode.NOT_REQUESTED),
        ({"labels": frozenset({"bug"})}, UnwantedCode.NOT_REQUESTED),
        ({"draft": True, "recipe": {"allow_drafts": False}}, UnwantedCode.EXCLUDED),
    ],
)
def test_closed_or_unlabelled_pull_request_is_destroyed(
    live_world: Simulation, change: dict[str, Any], code: UnwantedCode
) -> None:  # L5
    live_world.change(42, **change)
    destroy = live_world.action(42)
    assert isinstance(destroy, plan_actions.Destroy)
    assert destroy.code is code
    assert (destroy.name, destroy.guarded) == ("shop1-gentle-stream-42", False)


@pytest.mark.parametrize("state", [PullState.CLOSED, PullState.MERGED])
def test_missing_pull_request_is_confirmed_before_destroy(live_world: Simulation, state: PullState) -> None:  # L7
    live_world.change(42, state=state)
    assert isinstance(live_world.action(42), plan_actions.Confirm)
    live_world.start(live_world.plan())
    destroy = live_world.action(42)
    assert isinstance(destroy, plan_actions.Destroy)
    assert (destroy.guarded, destroy.code) == (False, UnwantedCode.CLOSED)
    live_world.run_cycle(2)
    assert live_world.stacks.keys() == {FOREIGN}


def test_nonexistent_pull_request_counts_against_the_guard(live_world: Simulation) -> None:  # L7
    live_world.pulls.clear()
    live_world.start(live_world.plan())
    destroy = live_world.action(42)
    assert isinstance(destroy, plan_actions.Destroy)
    assert destroy.guarded


def test_incomplete_snapshot_destroys_nothing(live_world: Simulation) -> None:  # L7, pitfall 3
    live_world.open_pull(1)
    live_world.incomplete.add(1)
    held = live_world.action(42)
    assert isinstance(held, plan_actions.Hold)
    assert held.code is HoldCode.REPOSITORY_INCOMPLETE
    assert isinstance(live_world.action(1), plan_actions.Create), "what is read may still be made"


def test_a_repository_no_longer_served_is_left_to_an_operator(live_world: Simulation) -> None:  # L7
    del live_world.names[1]
    hold = live_world.plan().actions[0]
    assert isinstance(hold, plan_actions.Hold)
    assert hold.command == f"eph down {hold.ref}"
    live_world.names[1] = "acme/shop"
    live_world.request_action("down", 42)
    del live_world.names[1]
    assert isinstance(live_world.plan().actions[0], plan_actions.Destroy), "the command it names works"


def test_a_renamed_repository_keeps_its_environment(live_world: Simulation) -> None:  # Y3
    ref = live_world.ref(42)
    live_world.names[1] = "acme/store"
    retag = live_world.action(42)
    assert isinstance(retag, plan_actions.Retag)
    assert (retag.ref, retag.tag.repository_name, retag.tag.name) == (ref, "acme/store", "shop1-gentle-stream-42")
    live_world.run_cycle()
    assert live_world.plan().changes == ()


def test_a_repository_name_that_the_store_shortened_is_not_written_again(live_world: Simulation) -> None:
    live_world.names[1] = f"{'a' * 39}/{'s' * 100}"
    live_world.run_cycle()
    written = live_world.stacks[live_world.ref(42)].tag
    assert written is not None
    stored = tags.decode(tags.encode(written))
    assert stored is not None
    assert stored.repository_name != written.repository_name, "too long for the store"
    live_world.edit_record(42, tag=stored)
    assert live_world.plan().changes == ()
    live_world.names[1] = f"{'b' * 39}/{'t' * 100}"
    assert isinstance(live_world.action(42), plan_actions.Retag), "a rename is still written"


def test_new_names_do_not_reach_an_environment_that_exists(live_world: Simulation) -> None:  # Y3
    live_world.push(42, "bbbbbbb")
    tag = live_world.stacks[live_world.ref(42)].tag
    assert tag is not None
    live_world.edit_record(42, tag=replace(tag, name="old-gentle-stream-42"))
    update = live_world.action(42)
    assert isinstance(update, plan_actions.Update)
    assert (update.spec.name, update.spec.host) == ("old-gentle-stream-42", "old-gentle-stream-42.localhost")


def test_down_destroys_and_stays_down_while_it_is_asked(live_world: Simulation) -> None:  # P5
    live_world.request_action("down", 42)
    live_world.run_cycle()
    assert live_world.stacks.keys() == {FOREIGN}
    refused = live_world.action(42)
    assert isinstance(refused, plan_actions.Refuse)
    assert refused.code is UnwantedCode.TAKEN_DOWN
    live_world.advance(minutes=1)
    live_world.request_action("retry", 42)
    assert isinstance(live_world.action(42), plan_actions.Create), "the newer wish counts"


@pytest.mark.parametrize("statement", ["draft", "expired"])
def test_what_half_a_list_states_destroys_nothing_either(live_world: Simulation, statement: str) -> None:  # L7
    live_world.incomplete.add(1)
    if statement == "draft":
        live_world.change(42, draft=True, recipe={"allow_drafts": False})
    else:
        live_world.marks[keys.pull_request(1, 42), sha("aaaaaaa")] = None
    assert isinstance(live_world.action(42), plan_actions.Hold)
    live_world.incomplete.clear()
    assert isinstance(live_world.action(42), plan_actions.Destroy)


def test_a_broken_eph_yaml_cannot_say_that_a_label_is_missing(live_world: Simulation) -> None:  # Y1
    facts = live_world.world()
    candidate = facts.repositories[1].requests[keys.pull_request(1, 42)]
    broken = replace(candidate, recipe=RecipeError(("eph.yaml:1: wrong",), frozenset({"other"})))
    repository = replace(facts.repositories[1], requests={keys.pull_request(1, 42): broken})
    facts = replace(facts, repositories={1: repository})
    assert [type(action) for action in plans.plan(facts, live_world.policy, live_world.now).actions] == [
        plan_actions.Refuse
    ]


def test_checks_that_run_again_do_not_trouble_what_is_built(live_world: Simulation) -> None:  # L3
    live_world.change(42, recipe={"wait_for_checks": ("unit",)})
    assert isinstance(live_world.action(42), plan_actions.Keep)


def test_a_draft_is_built_unless_eph_yaml_says_no(world: Simulation) -> None:  # L3
    world.open_pull(42, draft=True)
    assert isinstance(world.action(42), plan_actions.Create)


def test_unseen_stack_is_not_created_again(live_world: Simulation) -> None:  # L2
    live_world.open_pull(43)
    live_world.stacks_complete = False
    wait = live_world.action(43)
    assert isinstance(wait, plan_actions.Wait)
    assert wait.waiting_for is WaitingFor.STACKS


def test_its_tag_says_what_it_is_made_on(world: Simulation) -> None:
    """L7: a destroy that was cut short is gone on with there, whatever its state still knows."""
    world.open_pull(43, recipe={"spec": spec("shop1-gentle-stream-43", sha("aaaaaaa"), "kubernetes")})
    made = world.action(43)
    assert isinstance(made, plan_actions.Create)
    assert made.tag is not None
    assert made.tag.target == "kubernetes"
