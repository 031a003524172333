"""Failures: what is tried again, when, and what is never forgotten (L5, L7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core import actions, backoff, plans
from orchestrator.core.phases import Phase
from orchestrator.core.policy import Backoff
from stacks.model import Outcome, StackRef, Update, Verb

from .pulls import sha
from .worlds import FOREIGN, Simulation

REF = StackRef("eph-shop-1", "pr-42")


@pytest.fixture
def broken() -> Simulation:
    """An environment at aaaaaaa, whose newer commit bbbbbbb does not build."""
    world = Simulation()
    world.open(42)
    world.cycle()
    world.answer(42)
    world.failing.add(sha("bbbbbbb"))
    world.push(42, "bbbbbbb")
    world.cycle(seconds=1)
    return world


def tries_until_stalled(world: Simulation) -> int:
    tries = 0
    while not (isinstance(wait := world.action(42), actions.Wait) and wait.because is actions.Because.STALLED):
        tries += isinstance(wait, actions.Update)
        world.cycle(seconds=10)
    return tries


def test_the_old_commit_answers_while_the_new_one_fails(broken: Simulation) -> None:  # L5, pitfall 9
    view = broken.view(42)
    assert (view.phase, view.commit, view.wanted_commit) == (Phase.FAILED, sha("aaaaaaa"), sha("bbbbbbb"))
    assert view.failure is not None
    assert (view.failure.commit, view.failure.tries, view.failure.tail) == (sha("bbbbbbb"), 1, ("exit 1",))
    assert view.failure.next_try is not None
    assert view.url


def test_a_commit_is_tried_five_times_then_hourly(broken: Simulation) -> None:  # L5
    assert tries_until_stalled(broken) == 4, "the first was before"
    assert broken.view(42).phase is Phase.STALLED
    broken.pass_(minutes=61)
    assert isinstance(broken.action(42), actions.Update)


@pytest.mark.parametrize("mends", ["push", "person"])
def test_a_stalled_one_goes_on_at_once_when_somebody_mends_it(broken: Simulation, mends: str) -> None:  # L5
    tries_until_stalled(broken)
    broken.failing.clear()
    if mends == "push":
        broken.push(42, "ccccccc")
    else:
        broken.ask("retry", 42)
    broken.cycle()
    assert isinstance(broken.action(42), actions.Keep)


def test_a_wish_to_retry_is_good_for_one_try(broken: Simulation) -> None:  # L5
    broken.ask("retry", 42)
    assert isinstance(broken.action(42), actions.Update)
    broken.pass_(seconds=1)
    broken.cycle(seconds=1)
    assert isinstance(broken.action(42), actions.Wait), "it failed again after the wish"


def test_what_only_people_can_mend_is_not_tried_again(broken: Simulation) -> None:  # L5
    ref = broken.ref(42)
    broken.failures[ref] = replace(broken.failures[ref], retryable=False)
    broken.pass_(days=1)
    wait = broken.action(42)
    assert isinstance(wait, actions.Wait)
    assert (wait.because, wait.until) == (actions.Because.STALLED, None)
    assert wait.reason.endswith("bbbbbbb failed 1 time, only a new commit or `eph up` helps")


def test_a_restart_remembers_the_tries(broken: Simulation) -> None:  # L2
    tries_until_stalled(broken)
    broken.crash()
    view = broken.view(42)
    assert view.phase is Phase.STALLED
    assert view.failure is not None
    assert view.failure.tries == 5


def test_an_interrupted_build_is_not_a_try(broken: Simulation) -> None:  # L6, L8
    """Nothing failed, so it goes on at once; what breaks off again and again does not turn in a circle."""
    broken.push(42, "ccccccc")
    for expected in (actions.Update, actions.Wait):
        broken.start(broken.plan())
        broken.jobs[broken.ref(42)].running = replace(broken.jobs[broken.ref(42)].running, interrupting=True)
        broken.finish_all()
        assert isinstance(broken.action(42), expected)
    wait = broken.action(42)
    assert isinstance(wait, actions.Wait)
    assert "ccccccc was interrupted" in wait.reason
    broken.cycle(2)
    assert isinstance(broken.action(42), actions.Keep)


def test_a_clock_that_is_set_back_holds_nothing_up(broken: Simulation) -> None:  # L2
    """Found by ``make chaos``: a pause of seconds would last for as long as the clock had been ahead."""
    assert isinstance(broken.action(42), actions.Wait)
    broken.now -= timedelta(hours=2)
    assert isinstance(broken.action(42), actions.Update)
    broken.start(broken.plan())
    broken.finish_all()
    wait = broken.action(42)
    assert isinstance(wait, actions.Wait), "and a failure since then is paced as ever"
    assert wait.until is not None
    assert wait.until - broken.now < timedelta(minutes=1)


def test_what_fails_before_its_stack_exists_is_paced_by_our_own_count(broken: Simulation) -> None:  # L5
    broken.open(43, "ddddddd")
    ref = broken.ref(43)
    failed = replace(broken.failures[broken.ref(42)], ref=ref, commit=sha("ddddddd"), ended=broken.now)
    broken.failures[ref] = failed
    once = broken.action(43)
    assert isinstance(once, actions.Wait)
    assert once.until is not None
    world = replace(broken.world(), failed_tries={ref: 4})
    waits = [
        a for a in plans.plan(world, broken.policy, broken.now).actions if isinstance(a, actions.Wait) and a.ref == ref
    ]
    assert waits[0].until is not None
    assert waits[0].until > once.until + timedelta(seconds=60)


def test_a_failed_destroy_is_retried_for_ever(broken: Simulation) -> None:  # L7, pitfall 6
    ref = broken.ref(42)
    broken.stuck.add(ref)
    broken.change(42, labels=frozenset())
    broken.cycle(400, seconds=60)
    tried = sum(isinstance(action, actions.Destroy) for action in broken.started)
    assert 30 <= tried <= 50, "ten minutes and a bit between the later ones"
    assert broken.view(42).phase is Phase.FAILED
    assert "tried again at" in broken.view(42).reasons[0]
    broken.stuck.clear()
    broken.cycle(12, seconds=60)
    assert broken.stacks.keys() == {FOREIGN}


def test_delays_grow_to_the_most_and_are_the_same_each_time() -> None:  # L5
    limits = Backoff()
    seconds = [backoff.delay(limits, tried, REF).total_seconds() for tried in (1, 2, 3, 4, 9, 10_000)]
    floors = [15, 30, 60, 120, 600, 600]
    assert all(floor <= second <= floor * 1.1 for floor, second in zip(floors, seconds, strict=True))
    assert seconds == [backoff.delay(limits, tried, REF).total_seconds() for tried in (1, 2, 3, 4, 9, 10_000)]


def test_many_that_fail_together_do_not_return_together() -> None:  # L5
    delays = {backoff.delay(Backoff(), 1, StackRef("eph-shop-1", f"pr-{number}")) for number in range(1, 50)}
    assert len(delays) > 40


def test_a_success_forgives(broken: Simulation) -> None:  # L5
    broken.failing.clear()
    broken.cycle(seconds=60)
    broken.cycle(seconds=60)
    ref = broken.ref(42)
    assert broken.stacks[ref].history[-1].outcome is Outcome.SUCCEEDED
    assert broken.view(42).failure is None


def test_an_interruption_between_failures_does_not_hide_them(broken: Simulation) -> None:  # L5
    ref = broken.ref(42)
    for outcome in (Outcome.CANCELLED, Outcome.FAILED):
        entry = Update(Verb.UP, sha("bbbbbbb"), outcome, broken.now)
        broken.edit(42, history=(*broken.stacks[ref].history, entry))
        broken.pass_(seconds=1)
    view = broken.view(42)
    assert view.failure is not None
    assert view.failure.tries == 2


def test_a_failure_that_a_success_followed_holds_nothing_up(broken: Simulation) -> None:  # L5
    ref = broken.ref(42)
    stale = replace(broken.failures[ref], retryable=False)
    broken.failing.clear()
    broken.ask("retry", 42)
    broken.pass_(seconds=1)
    broken.cycle()
    broken.failures[ref] = stale
    broken.edit(42, pending=1)
    assert isinstance(broken.action(42), actions.Update)


def test_a_wish_on_the_git_host_never_stalls_and_never_turns_in_a_circle(broken: Simulation) -> None:  # P8
    tries_until_stalled(broken)
    broken.change(42, retry=True)
    wait = broken.action(42)
    assert isinstance(wait, actions.Wait)
    assert wait.because is actions.Because.BACKOFF
    broken.pass_(minutes=10)
    assert isinstance(broken.action(42), actions.Update)
