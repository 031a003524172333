"""Failures: what is tried again, when, and what is never forgotten (L5, L7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core.model.policy import Backoff
from orchestrator.core.planning import backoff, plan_actions, plans
from orchestrator.core.views.phases import Phase
from stacks.model import OperationVerb, Outcome, StackRef, StackUpdate
from tests.worlds.plan.pull_requests import sha
from tests.worlds.plan.simulated_facts import FOREIGN
from tests.worlds.plan.simulation import Simulation

REF = StackRef("eph-shop-1", "pr-42")


@pytest.fixture
def failing_world() -> Simulation:
    """An environment at aaaaaaa, whose newer commit bbbbbbb does not build."""
    world = Simulation()
    world.open_pull(42)
    world.run_cycle()
    world.report_health(42)
    world.failing.add(sha("bbbbbbb"))
    world.push(42, "bbbbbbb")
    world.run_cycle(seconds=1)
    return world


def tries_until_stalled(world: Simulation) -> int:
    tries = 0
    while not (
        isinstance(wait := world.action(42), plan_actions.Wait) and wait.waiting_for is plan_actions.WaitingFor.STALLED
    ):
        tries += isinstance(wait, plan_actions.Update)
        world.run_cycle(seconds=10)
    return tries


def test_the_old_commit_answers_while_the_new_one_fails(failing_world: Simulation) -> None:  # L5, pitfall 9
    view = failing_world.view(42)
    assert (view.phase, view.commit, view.wanted_commit) == (Phase.FAILED, sha("aaaaaaa"), sha("bbbbbbb"))
    assert view.failure is not None
    assert (view.failure.commit, view.failure.tries, view.failure.tail) == (sha("bbbbbbb"), 1, ("exit 1",))
    assert view.failure.next_try is not None
    assert view.url


def test_a_commit_is_tried_five_times_then_hourly(failing_world: Simulation) -> None:  # L5
    assert tries_until_stalled(failing_world) == 4, "the first was before"
    assert failing_world.view(42).phase is Phase.STALLED
    failing_world.advance(minutes=61)
    assert isinstance(failing_world.action(42), plan_actions.Update)


@pytest.mark.parametrize("mends", ["push", "person"])
def test_a_stalled_one_goes_on_at_once_when_somebody_mends_it(failing_world: Simulation, mends: str) -> None:  # L5
    tries_until_stalled(failing_world)
    failing_world.failing.clear()
    if mends == "push":
        failing_world.push(42, "ccccccc")
    else:
        failing_world.request_action("retry", 42)
    failing_world.run_cycle()
    assert isinstance(failing_world.action(42), plan_actions.Keep)


def test_retry_request_allows_one_attempt(failing_world: Simulation) -> None:  # L5
    failing_world.request_action("retry", 42)
    assert isinstance(failing_world.action(42), plan_actions.Update)
    failing_world.advance(seconds=1)
    failing_world.run_cycle(seconds=1)
    assert isinstance(failing_world.action(42), plan_actions.Wait), "it failed again after the wish"


def test_permanent_failure_is_not_retried(failing_world: Simulation) -> None:  # L5
    ref = failing_world.ref(42)
    failing_world.failures[ref] = replace(failing_world.failures[ref], retryable=False)
    failing_world.advance(days=1)
    wait = failing_world.action(42)
    assert isinstance(wait, plan_actions.Wait)
    assert (wait.waiting_for, wait.until) == (plan_actions.WaitingFor.STALLED, None)
    view = failing_world.view(42)
    assert view.failure is not None
    assert (view.phase, view.failure.permanent) == (Phase.FAILED, True)
    failing_world.failing.clear()
    failing_world.push(42, "ccccccc")
    failing_world.advance(seconds=30)
    assert isinstance(failing_world.action(42), plan_actions.Update)


def test_a_restart_remembers_the_tries(failing_world: Simulation) -> None:  # L2
    tries_until_stalled(failing_world)
    failing_world.crash()
    view = failing_world.view(42)
    assert view.phase is Phase.STALLED
    assert view.failure is not None
    assert view.failure.tries == 5


def test_an_interrupted_build_is_not_a_try(failing_world: Simulation) -> None:  # L6, L8
    """Nothing failed, so it goes on at once; what breaks off again and again does not turn in a circle."""
    failing_world.push(42, "ccccccc")
    for expected in (plan_actions.Update, plan_actions.Wait):
        failing_world.start(failing_world.plan())
        failing_world.jobs[failing_world.ref(42)].running = replace(
            failing_world.jobs[failing_world.ref(42)].running, interrupting=True
        )
        failing_world.finish_all()
        assert isinstance(failing_world.action(42), expected)
    wait = failing_world.action(42)
    assert isinstance(wait, plan_actions.Wait)
    assert wait.waiting_for is plan_actions.WaitingFor.BACKOFF
    failing_world.run_cycle(2)
    assert isinstance(failing_world.action(42), plan_actions.Keep)


def test_a_clock_that_is_set_back_holds_nothing_up(failing_world: Simulation) -> None:  # L2
    """Found by ``make chaos``: a pause of seconds would last for as long as the clock had been ahead."""
    assert isinstance(failing_world.action(42), plan_actions.Wait)
    failing_world.now -= timedelta(hours=2)
    assert isinstance(failing_world.action(42), plan_actions.Update)
    failing_world.start(failing_world.plan())
    failing_world.finish_all()
    wait = failing_world.action(42)
    assert isinstance(wait, plan_actions.Wait), "and a failure since then is paced as ever"
    assert wait.until is not None
    assert wait.until - failing_world.now < timedelta(minutes=1)


def test_what_fails_before_its_stack_exists_is_paced_by_our_own_count(failing_world: Simulation) -> None:  # L5
    failing_world.open_pull(43, "ddddddd")
    ref = failing_world.ref(43)
    failed = replace(
        failing_world.failures[failing_world.ref(42)], ref=ref, commit=sha("ddddddd"), ended=failing_world.now
    )
    failing_world.failures[ref] = failed
    once = failing_world.action(43)
    assert isinstance(once, plan_actions.Wait)
    assert once.until is not None
    world = replace(failing_world.world(), failed_attempts={ref: 4})
    waits = [
        a
        for a in plans.plan(world, failing_world.policy, failing_world.now).actions
        if isinstance(a, plan_actions.Wait) and a.ref == ref
    ]
    assert waits[0].until is not None
    assert waits[0].until > once.until + timedelta(seconds=60)


def test_failed_destroy_is_retried_forever(failing_world: Simulation) -> None:  # L7, pitfall 6
    ref = failing_world.ref(42)
    failing_world.stuck.add(ref)
    failing_world.unlabel(42)
    failing_world.run_cycle(400, seconds=60)
    tried = sum(isinstance(action, plan_actions.Destroy) for action in failing_world.started)
    assert 30 <= tried <= 50, "ten minutes and a bit between the later ones"
    assert failing_world.view(42).phase is Phase.FAILED
    wait = failing_world.action(42)
    assert isinstance(wait, plan_actions.Wait)
    assert (wait.waiting_for, wait.until is not None) == (plan_actions.WaitingFor.DESTROY, True)
    failing_world.stuck.clear()
    failing_world.run_cycle(12, seconds=60)
    assert failing_world.stacks.keys() == {FOREIGN}


def test_delays_grow_to_the_most_and_are_the_same_each_time() -> None:  # L5
    limits = Backoff()
    seconds = [backoff.backoff_delay(limits, tried, REF).total_seconds() for tried in (1, 2, 3, 4, 9, 10_000)]
    floors = [15, 30, 60, 120, 600, 600]
    assert all(floor <= second <= floor * 1.1 for floor, second in zip(floors, seconds, strict=True))
    assert seconds == [backoff.backoff_delay(limits, tried, REF).total_seconds() for tried in (1, 2, 3, 4, 9, 10_000)]


def test_many_that_fail_together_do_not_return_together() -> None:  # L5
    delays = {backoff.backoff_delay(Backoff(), 1, StackRef("eph-shop-1", f"pr-{number}")) for number in range(1, 50)}
    assert len(delays) > 40


def test_success_resets_the_failure_count(failing_world: Simulation) -> None:  # L5
    failing_world.failing.clear()
    failing_world.run_cycle(seconds=60)
    failing_world.run_cycle(seconds=60)
    ref = failing_world.ref(42)
    assert failing_world.stacks[ref].history[-1].outcome is Outcome.SUCCEEDED
    assert failing_world.view(42).failure is None


def test_an_interruption_between_failures_does_not_hide_them(failing_world: Simulation) -> None:  # L5
    ref = failing_world.ref(42)
    for outcome in (Outcome.CANCELLED, Outcome.FAILED):
        entry = StackUpdate(OperationVerb.UP, sha("bbbbbbb"), outcome, failing_world.now)
        failing_world.edit_record(42, history=(*failing_world.stacks[ref].history, entry))
        failing_world.advance(seconds=1)
    view = failing_world.view(42)
    assert view.failure is not None
    assert view.failure.tries == 2


def test_a_failure_that_a_success_followed_holds_nothing_up(failing_world: Simulation) -> None:  # L5
    ref = failing_world.ref(42)
    stale = replace(failing_world.failures[ref], retryable=False)
    failing_world.failing.clear()
    failing_world.request_action("retry", 42)
    failing_world.advance(seconds=1)
    failing_world.run_cycle()
    failing_world.failures[ref] = stale
    failing_world.edit_record(42, pending_operations=1)
    assert isinstance(failing_world.action(42), plan_actions.Update)


def test_a_wish_on_the_git_host_never_stalls_and_never_turns_in_a_circle(failing_world: Simulation) -> None:  # P8
    tries_until_stalled(failing_world)
    failing_world.change(42, retry=True)
    wait = failing_world.action(42)
    assert isinstance(wait, plan_actions.Wait)
    assert wait.waiting_for is plan_actions.WaitingFor.BACKOFF
    failing_world.advance(minutes=10)
    assert isinstance(failing_world.action(42), plan_actions.Update)
