"""What can happen to the simulated world, and what must hold: on the way for every plan, and after the quiet.

``test_properties`` gives it to hypothesis; ``make model`` plays thousands of histories a minute with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta

from orchestrator.core.model.policy import Backoff, Policy
from orchestrator.core.planning import plan_actions, plans
from orchestrator.core.views import environment_views
from orchestrator.forges.pull_requests import PullState
from stacks import keys, names
from stacks.model import Key
from tests.worlds.plan.pull_requests import PREVIEW, sha
from tests.worlds.plan.simulated_facts import FOREIGN
from tests.worlds.plan.simulation import Simulation, stack_actions

Event = tuple[str, int, int, object]
POLICY = Policy(
    max_environments=4,
    max_per_repository=3,
    max_concurrent=3,
    debounce=timedelta(seconds=2),
    destroy_min=99,
    backoff=Backoff(initial=timedelta(seconds=5), maximum=timedelta(seconds=20), max_attempts=3),
)
COMMITS = ("aaaaaaa", "bbbbbbb", "ccccccc", "baddbad")
"""The last one never builds."""
LABELS = (PREVIEW, frozenset({"bug"}), frozenset[str]())
STATES = (PullState.OPEN, PullState.OPEN, PullState.CLOSED, PullState.MERGED)
LENGTH = 40


def play(history: Sequence[Event]) -> None:
    """To its end; an AssertionError says what was wrong."""
    world = Simulation(POLICY)
    world.failing.add(sha("baddbad"))
    for event in history:
        apply_event(world, event)
    settle(world)
    check_converged(world)


def random_history(seed: int, number: int) -> list[Event]:
    chance = random.Random(f"{seed}/{number}")
    values: dict[str, Callable[[], object]] = {
        "open": lambda: chance.choice(COMMITS),
        "push": lambda: chance.choice(COMMITS),
        "label": lambda: chance.choice(LABELS),
        "state": lambda: chance.choice(STATES),
        "broken": lambda: chance.random() < 0.5,
        "vanish": lambda: None,
        "partial": lambda: chance.random() < 0.5,
        "hidden": lambda: chance.random() < 0.5,
        "plan": lambda: chance.randint(0, 6),
        "finish": lambda: None,
        "crash": lambda: None,
        "pass": lambda: chance.randint(0, 90),
    }
    kinds = chance.choices(list(values), k=chance.randint(1, LENGTH))
    return [(kind, chance.randint(1, 2), chance.randint(1, 4), values[kind]()) for kind in kinds]


def apply_event(world: Simulation, event: tuple[str, int, int, object]) -> None:
    verb, repository, number, value = event
    key = keys.pull_request(repository, number)
    pull = world.pulls.get(key)
    match verb, value:
        case "open", str(commit):
            if pull is None:
                world.confirmed.pop(key, None)
                world.open_pull(number, commit, repository)
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
            check_plan(world, plan)
            world.start(plan, most)
        case "finish", None:
            for ref in sorted(world.jobs)[:1]:
                world.finish(ref)
        case "crash", None:
            world.crash()
        case "pass", int(seconds):
            world.advance(seconds=seconds)


def check_plan(world: Simulation, plan: plans.Plan) -> None:
    """What every plan must obey, given what is true."""
    facts = world.world()
    assert plan == plans.plan(facts, world.policy, world.now), "the same facts give the same plan"
    about = [action.ref for action in stack_actions(plan)]
    assert len(about) == len(set(about)), "one action for one environment"
    ours = {ref for ref in facts.stacks.stacks if names.parse(ref)}
    assert ours <= set(about), "every stack of ours is accounted for"
    assert all(names.parse(ref) for ref in about), "no other stack is mentioned"
    for action in plan.actions:
        assert action.reason
        if isinstance(action, plan_actions.Destroy):
            check_destroy(world, action)
        if isinstance(action, plan_actions.Purge):
            assert facts.stacks.complete
    environment_views.build(facts, plan, world.policy, world.now)


def check_destroy(world: Simulation, destroy: plan_actions.Destroy) -> None:
    found = names.parse(destroy.ref)
    assert found is not None
    key = found
    pull = world.pulls.get(key)
    assert pull is None or not pull.desired, f"{destroy} ends what is wanted"
    assert key.repository not in world.incomplete or key in world.confirmed, "half an answer destroys nothing"
    assert world.stacks_complete or not destroy.guarded
    assert destroy.ref in world.world().stacks.stacks


def settle(world: Simulation, cycles: int = 40) -> None:
    """No more events, and everything that was broken outside works again."""
    world.incomplete.clear()
    world.failing.clear()
    world.stuck.clear()
    world.stacks_complete = True
    for pull in world.pulls.values():
        pull.problems = ()
    for _ in range(cycles):
        check_plan(world, world.plan())
        world.run_cycle()


def check_converged(world: Simulation) -> None:
    wanted = {key for key, pull in world.pulls.items() if pull.desired}
    held: dict[Key, str] = {}
    for ref, record in world.stacks.items():
        found = names.parse(ref)
        if found is None:
            continue
        assert record.built is not None, f"{ref} is half-made"
        assert not record.pending_operations
        held[found] = record.built.commit
    assert held.keys() <= wanted
    assert all(commit == world.pulls[key].commit for key, commit in held.items())
    assert len(held) == capacity_for(wanted)
    assert world.targets["local"] == {world.pulls[key].name for key in held}
    assert world.plan().changes == ()
    assert FOREIGN in world.stacks


def capacity_for(wanted: set[Key]) -> int:
    of_each = [min(POLICY.max_per_repository, sum(key.repository == each for key in wanted)) for each in (1, 2)]
    return min(POLICY.max_environments, sum(of_each))
