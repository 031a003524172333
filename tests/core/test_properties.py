"""Whatever happens in whatever order, the plan converges, and on the way does nothing that must never happen.

The world (worlds.py) itself refuses a second operation for one stack, too many operations or environments, and the
touch of a foreign stack; these properties add the ends: everything wanted exists, everything else is gone (L1, L2, L6,
L7, L8; habit 9).
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core import actions, plans, views
from orchestrator.core.model import Key, PullState
from orchestrator.core.policy import Backoff, Policy
from stacks import names
from stacks.model import StackRef

from .worlds import FOREIGN, Simulation, sha

FAST = settings(max_examples=50, deadline=None, derandomize=True, database=None)
POLICY = Policy(
    max_environments=4,
    max_per_repository=3,
    max_concurrent=3,
    debounce=timedelta(seconds=2),
    destroy_least=99,
    backoff=Backoff(first=timedelta(seconds=5), most=timedelta(seconds=20), tries=3),
)
COMMITS = ["aaaaaaa", "bbbbbbb", "ccccccc", "baddbad"]

numbers = st.integers(1, 4)
repositories = st.integers(1, 2)
commits = st.sampled_from(COMMITS)
labels = st.sampled_from([frozenset({"preview"}), frozenset({"bug"}), frozenset[str]()])
states = st.sampled_from([PullState.OPEN, PullState.OPEN, PullState.CLOSED, PullState.MERGED])
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
histories = st.lists(events, max_size=40)


def happen(world: Simulation, event: tuple[str, int, int, object]) -> None:
    verb, repository, number, value = event
    key = Key(repository, number)
    pull = world.pulls.get(key)
    match verb, value:
        case "open", str(commit):
            if pull is None:
                world.confirmed.pop(key, None)
                world.open(number, commit, repository)
        case "push", str(commit):
            if pull is not None:
                world.push(number, commit, repository)
        case "label", frozenset():
            world.change(number, repository, labels=value) if pull else None
        case "state", PullState():
            if pull is not None:
                world.confirmed.pop(key, None)
                pull.state = value
        case "broken", bool(broken):
            world.change(number, repository, problems=("eph.yaml:1: wrong",) if broken else ()) if pull else None
        case "vanish", None:
            world.pulls.pop(key, None)
        case "partial", bool(partial):
            (world.incomplete.add if partial else world.incomplete.discard)(repository)
        case "hidden", bool(hidden):
            world.stacks_complete = not hidden
        case "plan", int(most):
            plan = world.plan()
            check(world, plan)
            world.start(plan, most)
        case "finish", None:
            for ref in sorted(world.jobs)[:1]:
                world.finish(ref)
        case "crash", None:
            world.crash()
        case "pass", int(seconds):
            world.pass_(seconds=seconds)


def check(world: Simulation, plan: plans.Plan) -> None:
    """What every plan must obey, given what is true."""
    facts = world.world()
    assert plan == plans.plan(facts, world.policy, world.now), "the same facts give the same plan"
    about = [action.ref for action in plan.actions if not isinstance(action, actions.Purge)]
    assert len(about) == len(set(about)), "one action for one environment"
    ours = {ref for ref in facts.stacks.stacks if names.parse(ref)}
    assert ours <= set(about), "every stack of ours is accounted for"
    assert all(names.parse(ref) for ref in about), "no other stack is mentioned"
    for action in plan.actions:
        assert action.reason
        if isinstance(action, actions.Destroy):
            check_destroy(world, action)
        if isinstance(action, actions.Purge):
            assert facts.stacks.complete
    views.of(facts, plan, world.policy, world.now)


def check_destroy(world: Simulation, destroy: actions.Destroy) -> None:
    found = names.parse(destroy.ref)
    assert found is not None
    key = Key(*found)
    pull = world.pulls.get(key)
    assert pull is None or not pull.wanted, f"{destroy} ends what is wanted"
    assert key.repository not in world.incomplete or key in world.confirmed, "half an answer destroys nothing"
    assert world.stacks_complete or not destroy.guarded
    assert destroy.ref in world.world().stacks.stacks


def calm(world: Simulation, cycles: int = 40) -> None:
    """No more events, and everything that was broken outside works again."""
    world.incomplete.clear()
    world.failing.clear()
    world.stuck.clear()
    world.stacks_complete = True
    for pull in world.pulls.values():
        pull.problems = ()
    for _ in range(cycles):
        check(world, world.plan())
        world.cycle()


def check_converged(world: Simulation) -> None:
    wanted = {key for key, pull in world.pulls.items() if pull.wanted}
    held: dict[Key, str] = {}
    for ref, record in world.stacks.items():
        found = names.parse(ref)
        if found is None:
            continue
        assert record.built is not None, f"{ref} is half-made"
        assert not record.pending
        held[Key(*found)] = record.built.commit
    assert held.keys() <= wanted
    assert all(commit == world.pulls[key].commit for key, commit in held.items())
    assert len(held) == room_for(wanted)
    assert world.targets["local"] == {world.pulls[key].name for key in held}
    assert world.plan().changes == ()
    assert FOREIGN in world.stacks


def room_for(wanted: set[Key]) -> int:
    of_each = [min(POLICY.max_per_repository, sum(key.repository == each for key in wanted)) for each in (1, 2)]
    return min(POLICY.max_environments, sum(of_each))


@FAST
@given(histories)
def test_after_any_history_the_plan_converges(history: list[tuple[str, int, int, object]]) -> None:
    world = Simulation(POLICY)
    world.failing.add(sha("baddbad"))
    for event in history:
        happen(world, event)
    calm(world)
    check_converged(world)


@FAST
@given(histories, st.integers(0, 12))
def test_interrupted_after_any_prefix_of_a_plan_it_converges(
    history: list[tuple[str, int, int, object]], most: int
) -> None:
    """Habit 9: the rest of the plan, or something safe."""
    world = Simulation(POLICY)
    for event in history:
        happen(world, event)
    for prefix in range(most):
        world.start(world.plan(), prefix)
        world.crash()
        world.pass_(seconds=1)
    calm(world)
    check_converged(world)


@FAST
@given(st.sets(st.tuples(repositories, numbers), min_size=1), st.sets(repositories), st.booleans())
def test_incomplete_snapshots_destroy_and_purge_nothing(
    open_: set[tuple[int, int]], partial: set[int], stacks_complete: bool
) -> None:
    """Everything vanishes from every answer at once, and each answer says that it is not whole."""
    world = Simulation(Policy(max_concurrent=50))
    for repository, number in sorted(open_):
        world.open(number, repository=repository)
    world.cycle()
    world.pulls.clear()
    world.incomplete = {1, 2} if stacks_complete else {1, 2} | partial
    world.stacks_complete = stacks_complete
    for _ in range(3):
        assert not [
            a for a in world.plan().actions if isinstance(a, actions.Destroy | actions.Purge | actions.Interrupt)
        ]
        world.cycle()
    assert len(world.stacks) == len(open_) + 1


@FAST
@given(st.integers(1, 4), st.sampled_from(["fail", "hang", "broken", "unreadable"]))
def test_one_broken_environment_stops_nobody_else(number: int, fault: str) -> None:
    """Pitfall 5."""
    world = Simulation(Policy(max_concurrent=2, debounce=timedelta(0)))
    for each in range(1, 5):
        world.open(each)
    world.cycle(2)
    for each in range(1, 5):
        world.push(each, "bbbbbbb" if each != number else "baddbad")
    world.failing.add(sha("baddbad"))
    if fault == "hang":
        world.stuck.add(world.ref(number))
        world.change(number, labels=frozenset())
    if fault == "broken":
        world.change(number, problems=("eph.yaml:1: wrong",))
    if fault == "unreadable":
        world.edit(number, unreadable="cut")
    world.cycle(4)
    for each in {1, 2, 3, 4} - {number}:
        built = world.stacks[world.ref(each)].built
        assert built is not None
        assert built.commit == sha("bbbbbbb")


@FAST
@given(st.lists(st.sampled_from(COMMITS), min_size=3, max_size=30))
def test_a_storm_of_pushes_ends_at_the_last_one(pushes: list[str]) -> None:
    """L6: at most ``supersede_most`` interruptions in a row, and the newest commit wins."""
    world = Simulation(Policy(debounce=timedelta(seconds=1)))
    ref = world.open(1)
    for commit in pushes:
        world.push(1, commit)
        world.pass_(seconds=1.5)
        world.start(world.plan())
        assert world.superseded[ref] <= world.policy.supersede_most
        if ref in world.jobs and world.jobs[ref].running.interrupting:
            world.finish(ref)
    world.finish_all()
    world.cycle(4)
    built = world.stacks[ref].built
    assert built is not None
    assert built.commit == sha(pushes[-1])


@FAST
@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=20), st.text("pr-0123456789main", max_size=9))
def test_a_name_that_does_not_read_back_is_never_touched(project: str, stack: str) -> None:
    ref = StackRef(project, stack)
    world = Simulation()
    world.open(1)
    world.stacks[ref] = world.stacks[FOREIGN]
    mentioned = {action.ref for action in world.plan().actions if not isinstance(action, actions.Purge)}
    assert (ref in mentioned) == (names.parse(ref) is not None)
