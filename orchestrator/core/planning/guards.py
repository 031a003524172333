"""The brake on mass deletion: how much may go in an hour on weaker grounds than a statement of the Git host.

Closes, merges, missing labels and expiries that the host states positively never count. What counts is a pull request
that 'does not exist', and leftovers on targets: both are what a wrong answer, a wrong backend or a bug of ours looks
like. Over the share, all of them are held, and an operator lets that very plan through. A destroy that was let through
once and failed is not judged again: it is retried for ever.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import World
from orchestrator.core.planning.plan_actions import Action, Destroy, Hold, Purge
from orchestrator.core.util import formatting
from stacks.model import OperationVerb, StackRef


@dataclass(frozen=True, slots=True)
class GuardResult:
    """What the guard let through or held; ``guarded`` names what it judged, ``note`` says that it holds."""

    actions: tuple[Action, ...]
    guarded: tuple[str, ...] = ()
    note: str = ""


def apply(
    actions: list[Action], environments: Mapping[StackRef, EnvironmentFacts], world: World, limit: DestroyLimit
) -> GuardResult:
    labels = [name_of(action) if _is_guarded(action, environments) else "" for action in actions]
    guarded = tuple(sorted(name for name in labels if name))
    open_ = [name for name in guarded if name not in world.approved_destroys]
    command = digest(guarded)
    if limit.recent + len(open_) <= limit.maximum or command in world.approved_plans:
        return GuardResult(tuple(actions), guarded)
    note = (
        f"{formatting.count(len(open_), 'environment')} would be destroyed although the Git host doesn't report "
        "them closed, "
        f"after {limit.recent} within {limit.window}; the limit is {limit.maximum}"
    )
    held = set(open_)
    pairs = zip(actions, labels, strict=True)
    kept = [_hold(action, note, command) if name in held else action for action, name in pairs]
    return GuardResult(
        tuple(action for action in kept if action is not None),
        guarded,
        f"{note}; to allow it, run `eph approve {command}`",
    )


@dataclass(frozen=True, slots=True)
class DestroyLimit:
    """``maximum`` may go within ``window``, and ``recent`` went already."""

    maximum: int
    recent: int
    window: str


def destroy_limit(
    world: World, environments: Iterable[EnvironmentFacts], policy: Policy, now: datetime
) -> DestroyLimit:
    """The share counts what was there when the window began: what went since, or is going, is added back."""
    ours = sum(subject.record is not None and not _is_being_destroyed(subject) for subject in environments)
    recent = sum(now - policy.destroy_window < moment <= now for moment in world.recent_destroys)
    most = max(policy.destroy_min, math.floor(policy.destroy_share * (ours + recent)))
    return DestroyLimit(most, recent, formatting.duration(policy.destroy_window))


def digest(guarded: Iterable[str]) -> str:
    """Twelve hex digits that name this very set; empty for none."""
    text = "\n".join(sorted(guarded))
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""


def name_of(action: Action) -> str:
    match action:
        case Destroy(ref=ref):
            return str(ref)
        case Purge(target=target, name=name):
            return f"{target}:{name}"
        case _:
            raise TypeError(f"{type(action).__name__} can't be guarded")


def _is_guarded(action: Action, environments: Mapping[StackRef, EnvironmentFacts]) -> bool:
    if isinstance(action, Destroy):
        return action.guarded and not _was_allowed_before(environments[action.ref])
    return isinstance(action, Purge)


def _is_being_destroyed(environment: EnvironmentFacts) -> bool:
    return environment.running is not None and environment.running.verb is OperationVerb.DESTROY


def _was_allowed_before(environment: EnvironmentFacts) -> bool:
    """A destroy of it was let through before, and did not end well."""
    if environment.failure is not None and environment.failure.verb is OperationVerb.DESTROY:
        return True
    history = environment.record.history if environment.record else ()
    return bool(history) and max(history, key=lambda entry: entry.ended_at).verb is OperationVerb.DESTROY


def _hold(action: Action, note: str, command: str) -> Action | None:
    """A leftover has no stack to hold: the note of the plan speaks for it."""
    if isinstance(action, Destroy):
        return Hold(action.ref, f"{action.reason}; {note}", f"eph approve {command}")
    return None
