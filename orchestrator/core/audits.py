"""The audit (C2, L9): what is really there against what stacks and pull requests account for; every rest is an orphan.

Pure. Looking takes time, and things come and go meanwhile: so everything is looked at twice, the stacks in between,
and an orphan is only what stood both times and belongs to nothing that is known or at work. What could not be looked
at is ``unread``, never clean.

A stack whose own name is not known protects every name that ends in its number, as for leftovers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core import subjects
from orchestrator.core.actions import Because, Confirm, Hold, Purge, Wait
from orchestrator.core.leftovers import Accounted
from orchestrator.core.model import Key
from orchestrator.core.plans import Plan
from orchestrator.core.reasons import count
from programs.holdings import Holding
from stacks.model import StackRecord, StackRef, StackSnapshot, Stray


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something that is there and belongs to nothing. ``command`` removes it by hand; ``swept``: `eph sweep` does.

    ``whole``: nothing accounts for its environment at all, so the loop purges that as one, under its guards."""

    kind: str
    name: str
    where: str
    whose: str
    why: str
    command: str
    swept: bool = True
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What stood at both looks: by target, and beside the stacks."""

    holdings: Mapping[str, Sequence[Holding]] = field(default_factory=dict)
    strays: Sequence[Stray] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """``busy``: stacks with an operation under way at either look. ``refs``: all that is wanted or exists."""

    stacks: StackSnapshot
    accounted: Accounted
    refs: frozenset[StackRef]
    busy: frozenset[StackRef] = frozenset()
    busy_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Audit:
    """``looked``: how many things of each place were compared."""

    orphans: tuple[Orphan, ...] = ()
    unread: tuple[str, ...] = ()
    looked: Mapping[str, int] = field(default_factory=dict)


def both(first: Seen, second: Seen) -> Seen:
    """What stood at the first look and stands at the second."""
    held = {
        target: [thing for thing in things if thing in set(first.holdings[target])]
        for target, things in second.holdings.items()
        if target in first.holdings
    }
    return Seen(held, [stray for stray in second.strays if stray in set(first.strays)])


def swept(audit: Audit) -> list[Orphan]:
    """What `eph sweep` removes of it."""
    return [orphan for orphan in audit.orphans if orphan.swept]


def orphans(seen: Seen, known: Known) -> tuple[Orphan, ...]:
    records = {record.tag.name: record for record in known.stacks.stacks.values() if record.tag is not None}
    found = [
        orphan
        for target in sorted(seen.holdings)
        for thing in seen.holdings[target]
        if (orphan := _of_target(target, thing, known, records.get(thing.environment)))
    ]
    return (*found, *(orphan for stray in seen.strays if (orphan := _beside(stray, known))))


def of_plan(plan: Plan | None, known: Known, wanted: frozenset[Key]) -> Iterator[Orphan]:
    """Stacks that no pull request wants and whose destroy waits, or is held until a person says so."""
    for action in plan.actions if plan else ():
        if isinstance(action, Purge | Confirm) or action.ref in known.busy or action.ref not in known.stacks.stacks:
            continue
        held = isinstance(action, Hold) and action.command and subjects.key_of(action.ref) not in wanted
        if held or (isinstance(action, Wait) and action.because is Because.DESTROY):
            command = action.command if isinstance(action, Hold) else f"eph down {action.ref}"
            yield Orphan("stack", str(action.ref), "backend", _title(action.ref), action.reason, command, swept=False)


def unread(stacks: StackSnapshot, incomplete: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Sentences for what the Git host and the store did not show whole."""
    if not stacks.complete:
        yield f"not all stacks could be read: {stacks.reason or 'no reason'}"
    for record in stacks.stacks.values():
        if record.unreadable:
            yield f"the stack {record.ref}: {record.unreadable}"
    for name, reason in incomplete:
        yield f"{name} could not be read whole: {reason or 'no reason'}"


def _of_target(target: str, thing: Holding, known: Known, record: StackRecord | None) -> Orphan | None:
    if not known.stacks.complete or thing.environment in known.busy_names:
        return None  # nobody can say, or somebody is at work
    if not known.accounted.covers(thing.environment):
        why = f"neither a stack nor a pull request accounts for {thing.environment}"
        return replace(_orphan(target, thing, why), whole=True)
    if record is None or record.built is None or record.pending or record.unreadable or record.ref in known.busy:
        return None  # half-made: completed or destroyed by the next operation
    if not thing.supported:
        return _orphan(target, thing, f"nothing that is alive looks after it, and no operation on {record.ref} runs")
    if thing.part and thing.part not in record.parts:
        return _orphan(target, thing, f"the stack {record.ref} has {count(len(record.parts), 'part')}, and not this")
    return None


def _orphan(target: str, thing: Holding, why: str) -> Orphan:
    return Orphan(thing.kind, thing.name, target, thing.environment, why, thing.command or "eph sweep")


def _beside(stray: Stray, known: Known) -> Orphan | None:
    if stray.held and stray.ref is None:
        return None  # at work
    if stray.ref is not None and (stray.ref in known.busy or not known.stacks.complete):
        return None
    recorded = stray.kind == "operation record" and not stray.path.endswith(".json")
    if recorded and stray.ref in known.refs:
        return None  # the words of its last tries, for people
    whose = _title(stray.ref) if stray.ref else ""
    return Orphan(stray.kind, stray.path, "backend" if stray.ref else "work", whose, stray.why, stray.command,
                  swept=not stray.held)  # fmt: skip


def _title(ref: StackRef) -> str:
    key = subjects.key_of(ref)
    return f"pull request {key.number} of repository {key.repository}" if key else str(ref)
