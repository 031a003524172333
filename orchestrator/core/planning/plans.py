"""The plan as a value, and the one pure function that makes it: facts in, actions out.

World, policy and clock go in; the same input always gives the same plan. For each environment: what should be
(``wishes``), against what is (``decisions``); over all of them: leftovers, the brake on deletion (``guards``) and the
limits (``queues``). Each environment is judged on its own, so a broken one never stops another.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.desired import desired_state
from orchestrator.core.model import environment_facts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import World
from orchestrator.core.orphans import orphan_purges
from orchestrator.core.planning import decisions, guards, memory_limits, queues
from orchestrator.core.planning.plan_actions import (
    Action,
    Confirm,
    Create,
    Destroy,
    Expire,
    Find,
    Hold,
    Interrupt,
    Keep,
    Purge,
    Refuse,
    Retag,
    Revive,
    Sleep,
    Unlabel,
    Update,
    Wait,
    WaitingFor,
    Wake,
)
from stacks.model import StackRef

# What is held comes first, because people must act; then what ends, what is asked, what frees room, what makes.
_ORDER: dict[type, int] = {
    kind: place
    for place, kind in enumerate(
        (
            *(Hold, Interrupt, Confirm, Find, Expire, Unlabel, Revive),
            *(Wake, Destroy, Purge, Update, Create, Retag, Sleep),
            *(Wait, Refuse, Keep),
        )
    )
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, in order; printable, comparable, refusable.

    ``guarded`` names what goes without the Git host stating it, ``digest`` that very set: an operator approves it by
    this word. ``notes`` are sentences about the whole, for the status page.
    """

    actions: tuple[Action, ...]
    now: datetime
    guarded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return guards.digest(self.guarded)

    @property
    def changes(self) -> tuple[Action, ...]:
        """Those that do something; empty in a quiet cycle."""
        return tuple(action for action in self.actions if not isinstance(action, Hold | Wait | Refuse | Keep))

    def render(self, include_unchanged: bool = False) -> str:
        """The dry run, a line an action; what merely stays as it should is left out unless asked for."""
        shown = [action for action in self.actions if include_unchanged or not isinstance(action, Keep)]
        lines = [*self.notes, *(describe(action) for action in shown)]
        return "\n".join(lines) or "nothing to do"

    def __str__(self) -> str:
        return self.render()


def describe(action: Action) -> str:
    verb = type(action).__name__.lower()
    what = f"{action.target}:{action.name}" if isinstance(action, Purge) else str(action.ref)
    command = f" [{action.command}]" if isinstance(action, Hold) and action.command else ""
    return f"{verb:<9} {what}: {action.reason}{command}"


def plan(world: World, policy: Policy, now: datetime) -> Plan:
    at = desired_state.PlanContext(policy, now, world.stacks.complete, world.stacks.reason)
    known = environment_facts.collect(world)
    judged = [(subject, desired_state.determine(subject, at)) for subject in known]
    actions = [decisions.decide(subject, wish, at) for subject, wish in judged]
    if world.stacks.complete:
        actions += orphan_purges.purges(world.target_environments, judged)
    by_ref = {subject.ref: subject for subject in known}
    limit = guards.destroy_limit(world, known, policy, now)
    guarded = guards.apply(actions, by_ref, world, limit)
    room = memory_limits.limit_policy(policy, world.headroom, len(world.running))
    admitted = queues.admit(guarded.actions, by_ref, world.running.values(), room, now)
    crowded = memory_limits.notes(room, world.headroom) if any(map(_is_queued, admitted)) else ()
    notes = (*_incomplete_notes(world), *crowded, *((guarded.note,) if guarded.note else ()))
    unread = {subject.ref for subject in known if subject.record is not None and subject.record.unreadable}
    ordered = tuple(sorted(admitted, key=lambda action: _sort_key(action, unread)))
    return Plan(ordered, now, guarded.guarded, notes)


def _is_queued(action: Action) -> bool:
    return isinstance(action, Wait) and action.waiting_for is WaitingFor.QUEUE


def _sort_key(action: Action, unreadable: Container[StackRef]) -> tuple[int, int]:
    """Sorting keeps the order of the queue within a kind; of what is held, stacks that cannot be read lead."""
    if isinstance(action, Hold):
        return _ORDER[Hold], int(action.ref not in unreadable)
    return _ORDER[type(action)], (action.position or 0) if isinstance(action, Wait) else 0


def _incomplete_notes(world: World) -> tuple[str, ...]:
    stacks = (
        () if world.stacks.complete else (f"not all stacks could be read: {world.stacks.reason or 'unknown reason'}",)
    )
    partial = sorted((facts for facts in world.repositories.values() if not facts.complete), key=lambda facts: facts.id)
    return (
        *stacks,
        *(f"{facts.full_name} could not be read completely: {facts.reason or 'unknown reason'}" for facts in partial),
        *(
            f"branches and tags of {facts.full_name} could not be read completely: "
            f"{facts.refs_reason or 'unknown reason'}"
            for facts in sorted(world.repositories.values(), key=lambda facts: facts.id)
            if facts.complete and not facts.refs_complete
        ),
    )
