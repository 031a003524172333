"""What is wrong with the world: looked at from outside, with nothing of what ephd believes.

``check_cycle`` watches what people are told, cycle by cycle; ``final_problems`` is the look at the end, when everything
should be as the Git host says, with nothing besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.core.views.phases import Phase
from orchestrator.runtime.cycles import CycleResult
from orchestrator.surfaces.reports.phase_wording import PHASE_LABELS, label
from stacks.model import Key, OperationVerb, StackRef
from tests.worlds.model.problems import Problem

if TYPE_CHECKING:
    from tests.worlds.model.model_world import ModelWorld

REPORT_SECONDS = 40.0
"""Seconds for which what is shown may lag: a look every 30, and a URL is asked every 10."""
HOT_LOOP_SECONDS, MAX_CYCLES = 20.0, 300
_GONE_WORDS = ("Destroyed", "Not created", "Expired")


def check_cycle(world: ModelWorld, cycle: CycleResult) -> None:
    """Told by the loop itself, at every cycle."""
    world.record_truth()
    world.cycles += 1
    world.cycle_times = [moment for moment in world.cycle_times if world.time - moment < HOT_LOOP_SECONDS] + [
        world.time
    ]
    if len(world.cycle_times) > MAX_CYCLES:
        world.cycle_times.clear()
        world.problems.append(
            Problem("excess", f"{MAX_CYCLES} cycles in {HOT_LOOP_SECONDS:.0f} s: the loop turns in a circle")
        )
    for view in cycle.views:
        if view.phase is Phase.READY:
            _check_ready(world, view.name, view.commit)
    if world.machine.peak_operations > world.policy.max_concurrent:
        world.problems.append(Problem("excess", f"{world.machine.peak_operations} operations at once"))
        world.machine.peak_operations = 0
    _unwanted_builds(world)
    held = len(world.machine.states.keys() - world.twins)
    if held > world.policy.max_environments:
        world.problems.append(Problem("excess", f"{held} environments"))


def _check_ready(world: ModelWorld, name: str, commit: str) -> None:
    if world.machine.served_commit(name) == commit:
        world.unanswered.pop(name, None)
        return
    since = world.unanswered.setdefault(name, (commit, world.time))
    if since[0] != commit:
        world.unanswered[name] = (commit, world.time)
    elif world.time - since[1] > REPORT_SECONDS:
        world.unanswered.pop(name)
        world.problems.append(Problem("lies", f"{name} is called ready with {commit[:7]}, and does not answer"))


def _unwanted_builds(world: ModelWorld) -> None:
    """An unwanted build is interrupted. If its pull request is gone, it may finish: "not found" doesn't say that the
    pull request was closed, so only a guarded destroy follows."""
    known = {pull.key for pull in world.pulls()}
    for worker in world.machine.workers:
        key = world.key(worker.operation.ref)
        since = max(world.desired_at.get(key, 0.0), world.last_incomplete_at, world.started_at)
        if (
            worker.operation.verb is OperationVerb.UP
            and key in known
            and not worker.orphan
            and not worker.interrupted
            and world.time - since > REPORT_SECONDS
        ):
            world.problems.append(
                Problem("stuck", f"{worker.operation.ref} is built for {REPORT_SECONDS:.0f} s, and not wanted")
            )


def final_problems(world: ModelWorld) -> list[Problem]:
    return [
        *world.problems_so_far(),
        *_process_problems(world),
        *_all_stack_problems(world),
        *_leak_problems(world),
        *_secret_problems(world),
        *_all_comment_problems(world),
        *_excess_problems(world),
    ]


def _process_problems(world: ModelWorld) -> Iterator[Problem]:
    if world.ephd is None or world.ephd.failure:
        yield Problem("stuck", f"ephd is dead: {world.ephd.failure if world.ephd else ''}")
    for worker in world.machine.workers:
        if world.may_exist(world.key(worker.operation.ref)):
            continue  # what cannot be built is tried now and then
        yield Problem("stuck", f"{worker.operation.verb} of {worker.operation.ref} is under way")


def capacity(world: ModelWorld, desired: set[Key]) -> int:
    """How many of the wanted ones fit, and those that may stay take room as well."""
    policy = world.policy
    per = [sum(key.repository == one.id for key in desired) for one in world.repositories]
    return min(policy.max_environments, sum(min(policy.max_per_repository, count) for count in per))


def _all_stack_problems(world: ModelWorld) -> Iterator[Problem]:
    wanted = {pull.key: commit for pull in world.pulls() if (commit := world.desired_commit(pull.key))}
    there: dict[Key, StackRef] = {}
    staying = 0
    for ref in world.machine.states:
        key = world.key(ref)
        if key in there:
            yield Problem("leaks", f"{ref} is a second stack, beside {there[key]}")
        there[key] = ref
        if key in wanted:
            yield from _stack_problems(world, ref, wanted[key])
        elif world.may_exist(key):
            staying += 1
        else:
            yield Problem("leaks", f"stack {ref} of nobody")
    fits = capacity(world, {*wanted, *(key for key in there if world.may_exist(key))})
    if len(there) < fits:
        yield Problem(
            "lost", f"{fits} environments should be there, and {len(there)} are: {sorted(wanted.keys() - there.keys())}"
        )


def _stack_problems(world: ModelWorld, ref: StackRef, commit: str) -> Iterator[Problem]:
    machine = world.machine
    state, tag = machine.states[ref], machine.tags.get(ref)
    if state.built is None or state.built.commit != commit:
        built = state.built.commit[:7] if state.built else "nothing"
        yield Problem("stuck", f"{ref} has {built}, and {commit[:7]} is wanted")
    elif tag is None:
        yield Problem("stuck", f"{ref} has no tag")
    elif machine.served_commit(tag.name) != commit:
        yield Problem("lost", f"{tag.name} does not answer with {commit[:7]}")
    if state.pending_operations or ref in machine.locks:
        yield Problem("stuck", f"{ref} has {state.pending_operations} pending, lock {machine.locks.get(ref)}")


def _leak_problems(world: ModelWorld) -> Iterator[Problem]:
    machine = world.machine
    of_stacks = {machine.tags[ref].name for ref in machine.states if ref in machine.tags}
    nameless = {world.key(ref).id for ref in machine.states if ref not in machine.tags}
    for name in machine.parts.keys() - of_stacks:
        if name.rpartition("-")[2] in nameless:
            continue  # whose tag was cut, and may stay as it is
        yield Problem("leaks", f"the target holds {name} of nobody")
    for what, refs in (("tag", machine.tags), ("lock", machine.locks)):
        for ref in set(refs) - machine.states.keys():
            yield Problem("leaks", f"a {what} of {ref}, which is gone")
    keys = {world.key(ref) for ref in machine.states}
    for ref in machine.kept_logs:
        if (
            world.key(ref) not in keys
            and not world.desired_commit(world.key(ref))
            and not world.may_exist(world.key(ref))
        ):
            yield Problem("leaks", f"logs of {ref}, which is gone")


def _secret_problems(world: ModelWorld) -> Iterator[Problem]:
    """Nothing of a stranger's may run: it would see what the target gives to what it runs."""
    strangers = {pull.key for pull in world.pulls() if pull.from_fork or pull.author != "ada"}
    for ref, commit in world.machine.built_commits:
        if world.key(ref) in strangers:
            yield Problem("secrets", f"{commit[:7]} of a stranger ran in {ref}")


def _all_comment_problems(world: ModelWorld) -> Iterator[Problem]:
    for pull in world.pulls():
        found = world.forge.comments(world.repository(pull.key), pull.key.number)
        if len(found) > 1:
            yield Problem("lies", f"{pull.key} has {len(found)} comments")
        for body in found:
            yield from _comment_problems(world, pull.key, body)


def _comment_problems(world: ModelWorld, key: Key, body: str) -> Iterator[Problem]:
    head = body.partition("\n")[0]
    commit, view = world.desired_commit(key), world.view(key)
    has = any(world.key(ref) == key for ref in world.machine.states)
    if commit and has:
        if PHASE_LABELS[Phase.READY] not in head or commit[:7] not in body:
            yield Problem("lies", f"{key} is ready with {commit[:7]}, and its comment says {head!r}")
    elif not commit and not world.may_exist(key):
        if not any(word in head for word in _GONE_WORDS):
            yield Problem("lies", f"{key} has and wants nothing, and its comment says {head!r}")
    elif view is not None and label(view) not in head:
        yield Problem("lies", f"{key} is {view.phase}, and its comment says {head!r}")
    if has and "Destroyed" in head:
        yield Problem("lies", f"{key} exists, and its comment says {head!r}")


def _excess_problems(world: ModelWorld) -> Iterator[Problem]:
    """No commit is built again and again: tries, repairs and people together stay within some dozens an hour."""
    for (ref, commit), times in world.machine.up_times.items():
        recent = [moment for moment in times if (times[-1] - moment).total_seconds() < 600]
        if len(recent) > 25:
            yield Problem("excess", f"{ref}: {commit[:7]} was begun {len(recent)} times within ten minutes")
