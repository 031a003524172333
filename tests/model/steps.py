"""What can happen, one step each: what people do, how the machine breaks, how the Git host lies, how time passes.

A step names no object: ``who`` picks one of those that exist, ``what`` says which way or how much. So any list of steps
is a history, and a failing one can be shrunk and kept as a case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from orchestrator.forges.pull_requests import PullRequest, PullState
from stacks import keys
from stacks.model import StackLock, StackRef
from tests.worlds.model import invariants
from tests.worlds.model.model_world import BAD_YAML, EPH_YAML, ModelWorld
from tests.worlds.model.store import TargetPart
from tests.worlds.model.unreliable_forge import HEALTHY, MOODS


@dataclass(frozen=True, slots=True)
class Step:
    kind: str
    who: int = 0
    what: int = 0

    def __repr__(self) -> str:
        return f"Step({self.kind!r}, {self.who}, {self.what})"


Act = Callable[[ModelWorld, int, int], None]
PASSES = (0.3, 0.7, 1.2, 2.5, 5.0, 12.0, 35.0, 70.0)


def _pick_pull(world: ModelWorld, who: int, *states: PullState) -> PullRequest | None:
    found = [pull for pull in world.pulls() if not states or pull.state in states]
    return found[who % len(found)] if found else None


def _pick_stack(world: ModelWorld, who: int) -> StackRef | None:
    found = sorted({*world.machine.states, *(worker.operation.ref for worker in world.machine.workers)})
    return found[who % len(found)] if found else None


# --- people


def open_pull(world: ModelWorld, who: int, what: int) -> None:
    strangers = {6: ("mallory", False), 7: ("mallory", True)}
    by, from_fork = strangers.get(what, ("ada", False))
    open_ones = [pull for pull in world.pulls() if pull.state is PullState.OPEN]
    if len(open_ones) < 8:
        world.open_pull(world.repositories[who % 3 % 2], by, from_fork)


def push(world: ModelWorld, who: int, what: int) -> None:
    pull = _pick_pull(world, who, PullState.OPEN)
    if pull is not None:
        text = BAD_YAML if what == 7 else EPH_YAML
        world.commit(world.repository(pull.key), pull.head_ref, text, broken=what == 6)


def push_storm(world: ModelWorld, who: int, what: int) -> None:
    """Several pushes in a row."""
    for _ in range(what + 2):
        push(world, who, 0)
        world.send_webhook()
        world.run_for(1.5 + what)


def label(world: ModelWorld, who: int, _: int) -> None:
    if (pull := _pick_pull(world, who)) is not None:
        world.forge.label(world.repository(pull.key), pull.key.number, "preview")


def unlabel(world: ModelWorld, who: int, _: int) -> None:
    if (pull := _pick_pull(world, who)) is not None:
        world.forge.unlabel(world.repository(pull.key), pull.key.number, "preview")


def close(world: ModelWorld, who: int, what: int) -> None:
    if (pull := _pick_pull(world, who, PullState.OPEN)) is not None:
        end = world.forge.merge if what % 2 else world.forge.close_pull
        end(world.repository(pull.key), pull.key.number)


def reopen(world: ModelWorld, who: int, _: int) -> None:
    if (pull := _pick_pull(world, who, PullState.CLOSED)) is not None:
        world.forge.reopen(world.repository(pull.key), pull.key.number)


def delete(world: ModelWorld, who: int, _: int) -> None:
    if (pull := _pick_pull(world, who)) is not None:
        world.forge.vanish(world.repository(pull.key), pull.key.number)


def rename(world: ModelWorld, who: int, what: int) -> None:
    """A rename, a transfer, or a name that another repository had."""
    repository = world.repositories[who % 2]
    world.forge.rename(repository, ("c/shop", "a/wiki", "b/shop-2", "a/shop")[what % 4])


def same_commit(world: ModelWorld, who: int, _: int) -> None:
    pull = _pick_pull(world, who, PullState.OPEN)
    if pull is None or len(list(world.pulls())) > 9:
        return
    repository = world.repository(pull.key)
    number = world.forge.open_pull(repository, pull.head_ref, "the same", pull.author, pull.from_fork)
    world.forge.label(repository, number, "preview")
    world.undesired_at[keys.pull_request(repository.id, number)] = world.time


def request_action(world: ModelWorld, who: int, what: int) -> None:
    pull = _pick_pull(world, who)
    if pull is None:
        return
    kind = ("retry", "extend", "extend", "down")[what % 4]
    until = world.clock().replace(microsecond=0) + timedelta(minutes=50 + 10 * what) if kind == "extend" else None
    world.request_action(kind, pull.key, until)


# --- the machine


def crash(world: ModelWorld, _: int, what: int) -> None:
    world.crash(downtime=(0.2, 0.8, 2.0, 5.0)[what % 4], kill_operations=what >= 4)


def kill(world: ModelWorld, who: int, _: int) -> None:
    world.machine.kill(who)


def break_environment(world: ModelWorld, who: int, what: int) -> None:
    """Something of an environment is lost on the target, completely or so that it only stops responding."""
    names = sorted(world.machine.parts)
    if not names:
        return
    name = names[who % len(names)]
    if what % 2:
        world.machine.parts.pop(name)
    else:
        world.machine.parts[name].commit = ""


def ignore_health_checks(world: ModelWorld, who: int, what: int) -> None:
    names = sorted(world.machine.parts)
    if what % 3 == 0:
        world.machine.faults.unresponsive.clear()
    elif names:
        world.machine.faults.unresponsive.add(names[who % len(names)])


def cut_state(world: ModelWorld, who: int, what: int) -> None:
    """A state that can't be read, until its backup is restored."""
    ref = _pick_stack(world, who)
    if what % 2:
        world.machine.faults.unreadable.clear()
    elif ref in world.machine.states:
        world.machine.faults.unreadable[ref] = "its state cannot be read"


def cut_tag(world: ModelWorld, who: int, _: int) -> None:
    ref = _pick_stack(world, who)
    if ref is not None:
        world.machine.tags.pop(ref, None)


def lock(world: ModelWorld, who: int, what: int) -> None:
    """Of a dead owner, or of one on another host that can't be proven dead."""
    ref = _pick_stack(world, who)
    at_work = {worker.operation.ref for worker in world.machine.workers}
    if ref is None or ref not in world.machine.states or ref in world.machine.locks or ref in at_work:
        return
    host, dead = ("here", True) if what % 2 else ("elsewhere", False)
    world.machine.locks[ref] = StackLock(f"foreign-{what}", 99, host, "root", world.clock(), owner_dead=dead)


def unlock(world: ModelWorld, _: int, __: int) -> None:
    """The operator followed the documentation."""
    for ref in [ref for ref, lock in world.machine.locks.items() if lock.host == "elsewhere"]:
        del world.machine.locks[ref]


def leftover(world: ModelWorld, _: int, what: int) -> None:
    world.machine.parts[f"shop-old-name-{90 + what}"] = TargetPart(None)


def fail_builds(world: ModelWorld, who: int, what: int) -> None:
    ref = _pick_stack(world, who)
    if ref is not None:
        world.machine.faults.failing[ref] = what


def slow_operations(world: ModelWorld, who: int, what: int) -> None:
    """Operations on it take long, or don't end by themselves."""
    ref = _pick_stack(world, who)
    if what % 4 == 3:
        world.machine.faults.slow.clear()
        world.machine.faults.hanging.clear()
    elif ref is not None:
        (world.machine.faults.hanging if what % 4 == 2 else world.machine.faults.slow).add(ref)


def hide_inventory(world: ModelWorld, _: int, what: int) -> None:
    """The store can't be read completely, or the target doesn't respond."""
    spoilt = world.machine.faults
    spoilt.incomplete, spoilt.target_down = what % 4 in (1, 3), what % 4 in (2, 3)


def change_clock(world: ModelWorld, _: int, what: int) -> None:
    """The clock is set forward or back."""
    world.clock_changed = True
    world.clock_skew += timedelta(minutes=(-90, -20, -5, -1, 1, 5, 15, 0)[what % 8])


def duplicate_stack(world: ModelWorld, who: int, _: int) -> None:
    """A second stack for one pull request, under the project's earlier name; the operator removes it in the end."""
    ref = _pick_stack(world, who)
    if ref is None or ref not in world.machine.states or ref not in world.machine.tags:
        return
    other = StackRef(f"eph-old-{ref.project.rpartition('-')[2]}", ref.stack)
    world.machine.states[other] = replace(world.machine.states[ref], ref=other, built=None, resource_count=0)
    world.machine.tags[other] = world.machine.tags[ref]
    world.twins.add(other)


def swap_tag(world: ModelWorld, who: int, what: int) -> None:
    """The tag of one stack is at another; it is corrected in the end."""
    tags = world.machine.tags
    refs = sorted(tags)
    if len(refs) > 1:
        ref, other = refs[who % len(refs)], refs[(who + 1 + what % (len(refs) - 1)) % len(refs)]
        world.swapped.setdefault(ref, tags[ref])
        tags[ref] = tags[other]


def slow_responses(world: ModelWorld, _: int, what: int) -> None:
    """Every response is late."""
    world.set_thread_delay((0.01, 0.1, 0.4, 3.0)[what % 4])


def check_now(world: ModelWorld, _: int, __: int) -> None:
    """Not an event: nothing was broken, so by now everything should be as desired."""
    world.problems += invariants.final_problems(world)


# --- the Git host, and time


def set_forge_mode(world: ModelWorld, who: int, what: int) -> None:
    world.record_truth()
    every = (*MOODS, HEALTHY, HEALTHY)
    world.forge.mood = every[(who * 8 + what) % len(every)]
    world.record_truth()


def restore_forge(world: ModelWorld, _: int, __: int) -> None:
    world.record_truth()
    world.forge.mood = HEALTHY


def pass_time(world: ModelWorld, _: int, what: int) -> None:
    world.run_for(PASSES[what % len(PASSES)])


def pass_minutes(world: ModelWorld, _: int, what: int) -> None:
    """Not while writes fail: what is rejected for ten minutes is given up, and may be half an hour late."""
    if world.forge.mood in ("writes_refused", "no_writes", "down", "limited"):
        world.forge.mood = HEALTHY
    world.run_for(300.0 * (1 + what % 3))


STEPS: Mapping[str, tuple[int, Act]] = {
    "open": (10, open_pull), "push": (8, push), "storm": (1, push_storm), "label": (3, label), "unlabel": (3, unlabel),
    "close": (4, close), "reopen": (3, reopen), "delete": (1, delete), "rename": (1, rename),
    "same_commit": (1, same_commit), "ask": (3, request_action),
    "crash": (5, crash), "kill": (5, kill), "wreck": (2, break_environment), "deaf": (2, ignore_health_checks),
    "cut_state": (2, cut_state),
    "cut_tag": (1, cut_tag), "lock": (2, lock), "unlock": (1, unlock), "leftover": (1, leftover),
    "fail": (3, fail_builds),
    "drag": (3, slow_operations), "blind": (2, hide_inventory), "jump": (1, change_clock),
    "twin": (0, duplicate_stack), "swap_tag": (0, swap_tag), "prompt": (0, check_now), "lag": (0, slow_responses),
    "mood": (6, set_forge_mode), "honest": (6, restore_forge), "pass": (14, pass_time), "long_pass": (1, pass_minutes),
}  # fmt: skip
"""By kind: its relative frequency, and what it does."""


def take_step(world: ModelWorld, step: Step) -> None:
    """A webhook arrives for every other step; a moment passes, so that what it triggered is running at the next one."""
    STEPS[step.kind][1](world, step.who, step.what)
    world.record_truth()
    if step.who % 2:
        world.send_webhook()
    world.run_for(PASSES[(step.who + step.what) % 4])
