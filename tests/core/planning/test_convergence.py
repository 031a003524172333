"""Whatever happens in whatever order, the plan converges, and on the way does nothing that must never apply_event.

The world (worlds.py) itself refuses a second operation for one stack, too many operations or environments, and the
touch of a foreign stack; these properties add the ends: everything wanted exists, everything else is gone (L1, L2, L6,
L7, L8; habit 9).
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.model.policy import Policy
from orchestrator.core.planning import plan_actions
from stacks import names
from stacks.model import StackRef
from tests.worlds.plan.histories import (
    COMMITS,
    LABELS,
    LENGTH,
    POLICY,
    STATES,
    Event,
    apply_event,
    check_converged,
    play,
    random_history,
    settle,
)
from tests.worlds.plan.pull_requests import sha
from tests.worlds.plan.simulated_facts import FOREIGN
from tests.worlds.plan.simulation import Simulation

FAST = settings(max_examples=50, deadline=None, derandomize=True, database=None)

numbers = st.integers(1, 4)
repositories = st.integers(1, 2)
commits = st.sampled_from(COMMITS)
labels = st.sampled_from(LABELS)
states = st.sampled_from(STATES)
events = st.one_of(
    st.tuples(st.just("open"), repositories, numbers, commits),
    st.tuples(st.just("push"), repositories, numbers, commits),
    st.tuples(st.just("label"), repositories, numbers, labels),
    st.tuples(st.just("state"), repositories, numbers, states),
    st.tuples(st.just("broken"), repositories, numbers, st.booleans()),
    st.tuples(st.just("vanish"), repositories, numbers, st.none()),
    st.tuples(st.just("partial"), repositories, numbers, st.booleans()),
    st.tuples(st.just("hidden"), repositories, numbers, st.booleans()),
    st.tuples(st.just("plan"), repositories, numbers, st.integers(0, 6)),
    st.tuples(st.just("finish"), repositories, numbers, st.none()),
    st.tuples(st.just("crash"), repositories, numbers, st.none()),
    st.tuples(st.just("pass"), repositories, numbers, st.integers(0, 90)),
)
histories = st.lists(events, max_size=LENGTH)


@FAST
@given(histories)
def test_after_any_history_the_plan_converges(history: list[Event]) -> None:
    play(history)


@FAST
@given(histories, st.integers(0, 12))
def test_interrupted_after_any_prefix_of_a_plan_it_converges(history: list[Event], most: int) -> None:
    """Habit 9: the rest of the plan, or something safe."""
    world = Simulation(POLICY)
    for event in history:
        apply_event(world, event)
    for prefix in range(most):
        world.start(world.plan(), prefix)
        world.crash()
        world.advance(seconds=1)
    settle(world)
    check_converged(world)


@FAST
@given(st.sets(st.tuples(repositories, numbers), min_size=1), st.sets(repositories), st.booleans())
def test_incomplete_snapshots_destroy_and_purge_nothing(
    open_: set[tuple[int, int]], partial: set[int], stacks_complete: bool
) -> None:
    """Everything vanishes from every answer at once, and each answer says that it is not whole."""
    world = Simulation(Policy(max_concurrent=50))
    for repository, number in sorted(open_):
        world.open_pull(number, repository=repository)
    world.run_cycle()
    world.pulls.clear()
    world.incomplete = {1, 2} if stacks_complete else {1, 2} | partial
    world.stacks_complete = stacks_complete
    for _ in range(3):
        assert not [
            a
            for a in world.plan().actions
            if isinstance(a, plan_actions.Destroy | plan_actions.Purge | plan_actions.Interrupt)
        ]
        world.run_cycle()
    assert len(world.stacks) == len(open_) + 1


@FAST
@given(st.integers(1, 4), st.sampled_from(["fail", "hang", "broken", "unreadable"]))
def test_one_broken_environment_stops_nobody_else(number: int, fault: str) -> None:
    """Pitfall 5."""
    world = Simulation(Policy(max_concurrent=2, debounce=timedelta(0)))
    for each in range(1, 5):
        world.open_pull(each)
    world.run_cycle(2)
    for each in range(1, 5):
        world.push(each, "bbbbbbb" if each != number else "baddbad")
    world.failing.add(sha("baddbad"))
    if fault == "hang":
        world.stuck.add(world.ref(number))
        world.unlabel(number)
    if fault == "broken":
        world.change(number, problems=("eph.yaml:1: wrong",))
    if fault == "unreadable":
        world.edit_record(number, unreadable="cut")
    world.run_cycle(4)
    for each in {1, 2, 3, 4} - {number}:
        built = world.stacks[world.ref(each)].built
        assert built is not None
        assert built.commit == sha("bbbbbbb")


@FAST
@given(st.lists(st.sampled_from(COMMITS), min_size=3, max_size=30))
def test_a_storm_of_pushes_ends_at_the_last_one(pushes: list[str]) -> None:
    """L6: at most ``supersede_most`` interruptions in a row, and the newest commit wins."""
    world = Simulation(Policy(debounce=timedelta(seconds=1)))
    ref = world.open_pull(1)
    for commit in pushes:
        world.push(1, commit)
        world.advance(seconds=1.5)
        world.start(world.plan())
        assert world.superseded[ref] <= world.policy.max_supersedes
        if ref in world.jobs and world.jobs[ref].running.interrupting:
            world.finish(ref)
    world.finish_all()
    world.run_cycle(4)
    built = world.stacks[ref].built
    assert built is not None
    assert built.commit == sha(pushes[-1])


@FAST
@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=20), st.text("pr-0123456789main", max_size=9))
def test_a_name_that_does_not_read_back_is_never_touched(project: str, stack: str) -> None:
    ref = StackRef(project, stack)
    world = Simulation()
    world.open_pull(1)
    world.stacks[ref] = world.stacks[FOREIGN]
    mentioned = {action.ref for action in world.plan().actions if not isinstance(action, plan_actions.Purge)}
    assert (ref in mentioned) == (names.parse(ref) is not None)


def test_histories_by_chance_are_the_same_for_the_same_seed_and_take_every_step() -> None:
    assert random_history(1, 2) == random_history(1, 2) != random_history(1, 3)
    steps = {event[0] for number in range(50) for event in random_history(1, number)}
    assert steps == {"open", "push", "label", "state", "broken", "vanish", "partial", "hidden", "plan", "finish",
                     "crash", "pass"}  # fmt: skip
    for number in range(20):
        play(random_history(1, number))
