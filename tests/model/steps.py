"""What can happen, a step each: what people do, how the machine breaks, how the Git host lies, how time goes by.

A step names nobody: ``who`` picks one of those there are, ``what`` says which way or how much. So any list of steps is
a history, and one that went wrong can be made shorter and kept as a case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from orchestrator.core.model import Key, PullRequest, PullState
from stacks.model import Lock, StackRef
from tests.model import looking
from tests.model.hosts import HONEST, MOODS
from tests.model.store import Part
from tests.model.world import BAD_YAML, EPH_YAML, World


@dataclass(frozen=True, slots=True)
class Step:
    kind: str
    who: int = 0
    what: int = 0

    def __repr__(self) -> str:
        return f"Step({self.kind!r}, {self.who}, {self.what})"


Act = Callable[[World, int, int], None]
PASSES = (0.3, 0.7, 1.2, 2.5, 5.0, 12.0, 35.0, 70.0)


def _pull(world: World, who: int, *states: PullState) -> PullRequest | None:
    found = [pull for pull in world.pulls() if not states or pull.state in states]
    return found[who % len(found)] if found else None


def _ref(world: World, who: int) -> StackRef | None:
    found = sorted({*world.machine.states, *(worker.operation.ref for worker in world.machine.workers)})
    return found[who % len(found)] if found else None


# --- people


def open_(world: World, who: int, what: int) -> None:
    strangers = {6: ("mallory", False), 7: ("mallory", True)}
    by, from_fork = strangers.get(what, ("ada", False))
    open_ones = [pull for pull in world.pulls() if pull.state is PullState.OPEN]
    if len(open_ones) < 8:
        world.open(world.repositories[who % 3 % 2], by, from_fork)


def push(world: World, who: int, what: int) -> None:
    pull = _pull(world, who, PullState.OPEN)
    if pull is not None:
        text = BAD_YAML if what == 7 else EPH_YAML
        world.commit(world.repository(pull.key), pull.head_ref, text, broken=what == 6)


def storm(world: World, who: int, what: int) -> None:
    """Pushes, one after the other."""
    for _ in range(what + 2):
        push(world, who, 0)
        world.hook()
        world.pass_(1.5 + what)


def label(world: World, who: int, _: int) -> None:
    if (pull := _pull(world, who)) is not None:
        world.forge.label(world.repository(pull.key), pull.key.number, "preview")


def unlabel(world: World, who: int, _: int) -> None:
    if (pull := _pull(world, who)) is not None:
        world.forge.unlabel(world.repository(pull.key), pull.key.number, "preview")


def close(world: World, who: int, what: int) -> None:
    if (pull := _pull(world, who, PullState.OPEN)) is not None:
        end = world.forge.merge if what % 2 else world.forge.close_pull
        end(world.repository(pull.key), pull.key.number)


def reopen(world: World, who: int, _: int) -> None:
    if (pull := _pull(world, who, PullState.CLOSED)) is not None:
        world.forge.reopen(world.repository(pull.key), pull.key.number)


def delete(world: World, who: int, _: int) -> None:
    if (pull := _pull(world, who)) is not None:
        world.forge.vanish(world.repository(pull.key), pull.key.number)


def rename(world: World, who: int, what: int) -> None:
    """A rename, a transfer, or the name that another had."""
    repository = world.repositories[who % 2]
    world.forge.rename(repository, ("c/shop", "a/wiki", "b/shop-2", "a/shop")[what % 4])


def same_commit(world: World, who: int, _: int) -> None:
    pull = _pull(world, who, PullState.OPEN)
    if pull is None or len(list(world.pulls())) > 9:
        return
    repository = world.repository(pull.key)
    number = world.forge.open_pull(repository, pull.head_ref, "the same", pull.author, pull.from_fork)
    world.forge.label(repository, number, "preview")
    world.unwanted_at[Key(repository.id, number)] = world.time


def ask(world: World, who: int, what: int) -> None:
    pull = _pull(world, who)
    if pull is None:
        return
    kind = ("retry", "extend", "extend", "down")[what % 4]
    until = world.clock().replace(microsecond=0) + timedelta(minutes=50 + 10 * what) if kind == "extend" else None
    world.ask(kind, pull.key, until)


# --- the machine


def crash(world: World, _: int, what: int) -> None:
    world.crash(down=(0.2, 0.8, 2.0, 5.0)[what % 4], dead=what >= 4)


def kill(world: World, who: int, _: int) -> None:
    world.machine.kill(who)


def wreck(world: World, who: int, what: int) -> None:
    """Something of an environment is lost on the target, whole or so that it only stops answering."""
    names = sorted(world.machine.parts)
    if not names:
        return
    name = names[who % len(names)]
    if what % 2:
        world.machine.parts.pop(name)
    else:
        world.machine.parts[name].commit = ""


def deaf(world: World, who: int, what: int) -> None:
    names = sorted(world.machine.parts)
    if what % 3 == 0:
        world.machine.spoilt.deaf.clear()
    elif names:
        world.machine.spoilt.deaf.add(names[who % len(names)])


def cut_state(world: World, who: int, what: int) -> None:
    """A state that cannot be read, until its backup is restored."""
    ref = _ref(world, who)
    if what % 2:
        world.machine.spoilt.unreadable.clear()
    elif ref in world.machine.states:
        world.machine.spoilt.unreadable[ref] = "its state cannot be read"


def cut_tag(world: World, who: int, _: int) -> None:
    ref = _ref(world, who)
    if ref is not None:
        world.machine.tags.pop(ref, None)


def lock(world: World, who: int, what: int) -> None:
    """Of a dead owner, or of one on another host whom nobody can prove dead."""
    ref = _ref(world, who)
    at_work = {worker.operation.ref for worker in world.machine.workers}
    if ref is None or ref not in world.machine.states or ref in world.machine.locks or ref in at_work:
        return
    host, dead = ("here", True) if what % 2 else ("elsewhere", False)
    world.machine.locks[ref] = Lock(f"foreign-{what}", 99, host, "root", world.clock(), owner_dead=dead)


def unlock(world: World, _: int, __: int) -> None:
    """The operator did as the page says."""
    for ref in [ref for ref, lock in world.machine.locks.items() if lock.host == "elsewhere"]:
        del world.machine.locks[ref]


def leftover(world: World, _: int, what: int) -> None:
    world.machine.parts[f"shop-old-name-{90 + what}"] = Part(None)


def fail(world: World, who: int, what: int) -> None:
    ref = _ref(world, who)
    if ref is not None:
        world.machine.spoilt.failing[ref] = what


def drag(world: World, who: int, what: int) -> None:
    """Operations on it take long, or do not end by themselves."""
    ref = _ref(world, who)
    if what % 4 == 3:
        world.machine.spoilt.slow.clear()
        world.machine.spoilt.hanging.clear()
    elif ref is not None:
        (world.machine.spoilt.hanging if what % 4 == 2 else world.machine.spoilt.slow).add(ref)


def blind(world: World, _: int, what: int) -> None:
    """The store cannot be read whole, or the target does not answer."""
    spoilt = world.machine.spoilt
    spoilt.incomplete, spoilt.target_down = what % 4 in (1, 3), what % 4 in (2, 3)


def jump(world: World, _: int, what: int) -> None:
    """The clock is put forward or back."""
    world.jumped = True
    world.skew += timedelta(minutes=(-90, -20, -5, -1, 1, 5, 15, 0)[what % 8])


def twin(world: World, who: int, _: int) -> None:
    """A second stack for one pull request, under the project's earlier name; the operator takes it away in the end."""
    ref = _ref(world, who)
    if ref is None or ref not in world.machine.states or ref not in world.machine.tags:
        return
    other = StackRef(f"eph-old-{ref.project.rpartition('-')[2]}", ref.stack)
    world.machine.states[other] = replace(world.machine.states[ref], ref=other, built=None, resources=0)
    world.machine.tags[other] = world.machine.tags[ref]
    world.twins.add(other)


def swap_tag(world: World, who: int, what: int) -> None:
    """The tag of one stack lies at another; it is put right in the end."""
    tags = world.machine.tags
    refs = sorted(tags)
    if len(refs) > 1:
        ref, other = refs[who % len(refs)], refs[(who + 1 + what % (len(refs) - 1)) % len(refs)]
        world.swapped.setdefault(ref, tags[ref])
        tags[ref] = tags[other]


def lag(world: World, _: int, what: int) -> None:
    """Whatever is asked answers late."""
    world.lag((0.01, 0.1, 0.4, 3.0)[what % 4])


def prompt(world: World, _: int, __: int) -> None:
    """Not a thing that happens: nothing was broken, so by now everything should be as wanted."""
    world.problems += looking.wrong(world)


# --- the Git host, and time


def mood(world: World, who: int, what: int) -> None:
    world.note()
    every = (*MOODS, HONEST, HONEST)
    world.forge.mood = every[(who * 8 + what) % len(every)]
    world.note()


def honest(world: World, _: int, __: int) -> None:
    world.note()
    world.forge.mood = HONEST


def pass_(world: World, _: int, what: int) -> None:
    world.pass_(PASSES[what % len(PASSES)])


def long_pass(world: World, _: int, what: int) -> None:
    """Not while writes fail: what is refused for ten minutes is given up, and may be half an hour late."""
    if world.forge.mood in ("writes_refused", "no_writes", "down", "limited"):
        world.forge.mood = HONEST
    world.pass_(300.0 * (1 + what % 3))


STEPS: Mapping[str, tuple[int, Act]] = {
    "open": (10, open_), "push": (8, push), "storm": (1, storm), "label": (3, label), "unlabel": (3, unlabel),
    "close": (4, close), "reopen": (3, reopen), "delete": (1, delete), "rename": (1, rename),
    "same_commit": (1, same_commit), "ask": (3, ask),
    "crash": (5, crash), "kill": (5, kill), "wreck": (2, wreck), "deaf": (2, deaf), "cut_state": (2, cut_state),
    "cut_tag": (1, cut_tag), "lock": (2, lock), "unlock": (1, unlock), "leftover": (1, leftover), "fail": (3, fail),
    "drag": (3, drag), "blind": (2, blind), "jump": (1, jump),
    "twin": (0, twin), "swap_tag": (0, swap_tag), "prompt": (0, prompt), "lag": (0, lag),
    "mood": (6, mood), "honest": (6, honest), "pass": (14, pass_), "long_pass": (1, long_pass),
}  # fmt: skip
"""By kind: how often, in proportion, and what it does."""


def act(world: World, step: Step) -> None:
    """A webhook comes for one step in two; a moment passes, so that what it set off is under way at the next."""
    STEPS[step.kind][1](world, step.who, step.what)
    world.note()
    if step.who % 2:
        world.hook()
    world.pass_(PASSES[(step.who + step.what) % 4])
