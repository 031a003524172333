"""The plan as a value, and the pure function that computes it: facts in, actions out.

The same world, policy and time always result in the same plan. For each environment, it compares desired
(``desired_state``) and observed state (``decisions``). Then it adds orphans and applies guards (``guards``), limits
(``queues``) and a pause of the whole server (``pauses``). Each environment is planned independently, so a broken one
never blocks another.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.costs import budgets
from orchestrator.core.costs.budgets import BudgetLevel, BudgetState
from orchestrator.core.desired import desired_state
from orchestrator.core.model import environment_facts
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.pause import Pause
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import RepositoryFacts, World
from orchestrator.core.orphans import orphan_purges
from orchestrator.core.planning import decisions, guards, memory_limits, pauses, queues
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
from stacks.model import RefKind, StackRef

# Holds come first, because people must act; then interrupts, reads, removals and builds.
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
    """What to do now, in order.

    ``guarded`` names what is destroyed without an explicit statement by the Git host; operators approve exactly that
    set by its ``digest``. ``notes`` are about the plan as a whole, for the status page.
    """

    actions: tuple[Action, ...]
    now: datetime
    guarded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    held_note: str = ""
    """The one of ``notes`` that says why destroys are on hold."""
    budgets: tuple[BudgetState, ...] = ()
    pause: Pause | None = None
    """While the server is paused, nothing changes: each action that would waits."""

    @property
    def digest(self) -> str:
        return guards.digest(self.guarded)

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change something; empty in a quiet cycle."""
        return tuple(action for action in self.actions if not isinstance(action, Hold | Wait | Refuse | Keep))

    def render(self, include_unchanged: bool = False) -> str:
        """The dry run: one line per action, without unchanged environments by default."""
        shown = [action for action in self.actions if include_unchanged or not isinstance(action, Keep)]
        paused = [pauses.note(self.pause)] if self.pause is not None else []
        lines = [*paused, *self.notes, *(describe(action) for action in shown)]
        return "\n".join(lines) or wording.limits.NOTHING_TO_DO

    def __str__(self) -> str:
        return self.render()


def describe(action: Action) -> str:
    verb = type(action).__name__.lower()
    what = f"{action.target}:{action.name}" if isinstance(action, Purge) else str(action.ref)
    command = f" [{action.command}]" if isinstance(action, Hold) and action.command else ""
    return f"{verb:<9} {what}: {action.reason}{command}"


def plan(world: World, policy: Policy, now: datetime) -> Plan:
    context = desired_state.PlanContext(policy, now, world.stacks.complete, world.stacks.reason)
    known = environment_facts.collect(world)
    desired = [(subject, desired_state.determine(subject, context)) for subject in known]
    actions = [decisions.decide(subject, state, context) for subject, state in desired]
    if world.stacks.complete:
        actions += orphan_purges.purges(world.target_environments, desired)
    by_ref = {subject.ref: subject for subject in known}
    limit = guards.destroy_limit(world, known, policy, now)
    guarded = guards.apply(actions, by_ref, world, limit)
    limited = memory_limits.limit_policy(policy, world.headroom, len(world.running))
    spent = _budget_states(world, known, policy, now)
    admitted = queues.admit(guarded.actions, by_ref, world.running.values(), limited, now, spent)
    memory_notes = memory_limits.notes(limited, world.headroom) if any(map(_is_queued, admitted)) else ()
    notes = (
        *_incomplete_notes(world),
        *memory_notes,
        *_budget_notes(spent),
        *((guarded.note,) if guarded.note else ()),
    )
    unread = {subject.ref for subject in known if subject.record is not None and subject.record.unreadable}
    shown = pauses.apply(admitted, by_ref, world.pause)
    ordered = tuple(sorted(shown, key=lambda action: _sort_key(action, unread)))
    return Plan(ordered, now, guarded.guarded, notes, guarded.note, spent, world.pause)


def _budget_states(
    world: World, known: Iterable[EnvironmentFacts], policy: Policy, now: datetime
) -> tuple[BudgetState, ...]:
    if policy.budgets.total is None and not policy.budgets.by_repository:
        return ()
    names = {each.repository_name for each in known} | {facts.full_name for facts in world.repositories.values()}
    return budgets.states(policy.budgets, world.spending, names, now)


def _budget_notes(found: Iterable[BudgetState]) -> Iterable[str]:
    return (wording.costs.budget(state) for state in found if state.level is not BudgetLevel.OK)


def _is_queued(action: Action) -> bool:
    return isinstance(action, Wait) and action.waiting_for is WaitingFor.QUEUE


def _sort_key(action: Action, unreadable: Container[StackRef]) -> tuple[int, int]:
    """Keeps the order of the queue within a kind. Among holds, unreadable stacks come first."""
    if isinstance(action, Hold):
        return _ORDER[Hold], int(action.ref not in unreadable)
    return _ORDER[type(action)], (action.position or 0) if isinstance(action, Wait) else 0


def _incomplete_notes(world: World) -> tuple[str, ...]:
    stacks = () if world.stacks.complete else (wording.limits.note_stacks(world.stacks.reason),)
    partial = sorted((facts for facts in world.repositories.values() if not facts.complete), key=lambda facts: facts.id)
    return (
        *stacks,
        *(wording.limits.note_repository(facts.full_name, facts.reason) for facts in partial),
        *(
            wording.limits.note_kinds(facts.full_name, kinds, reason)
            for facts in sorted(world.repositories.values(), key=lambda facts: facts.id)
            if facts.complete
            for reason, kinds in _kinds_by_reason(facts).items()
        ),
    )


def _kinds_by_reason(facts: RepositoryFacts) -> dict[str, list[RefKind]]:
    found: dict[str, list[RefKind]] = {}
    for kind, reason in sorted(facts.incomplete_kinds.items()):
        found.setdefault(reason, []).append(kind)
    return found
