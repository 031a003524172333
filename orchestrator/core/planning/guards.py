"""Limits mass deletion: how many environments may be destroyed per hour without an explicit statement by the Git host.

Closes, merges, missing labels and expiries are explicit and never count. A pull request that "doesn't exist" counts,
and so do leftovers on targets: a wrong response, a wrong backend or a bug of ours would look the same. Above the limit,
all of them are put on hold until an operator approves exactly that plan. A destroy that was allowed once and failed
isn't checked again; it is retried forever.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import World
from orchestrator.core.planning.plan_actions import Action, Destroy, Hold, Purge
from orchestrator.core.planning.reason_codes import HoldCode
from orchestrator.core.util import formatting
from stacks.model import OperationVerb, StackRef


@dataclass(frozen=True, slots=True)
class GuardResult:
    """The actions after the guard. ``guarded`` names those that it checked; ``note`` says why they are on hold."""

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
    note = wording.limits.too_many_destroys(len(open_), limit.recent, limit.window, limit.maximum)
    held = set(open_)
    pairs = zip(actions, labels, strict=True)
    kept = [_hold(action, note, command) if name in held else action for action, name in pairs]
    return GuardResult(
        tuple(action for action in kept if action is not None),
        guarded,
        wording.limits.how_to_approve(note, command),
    )


@dataclass(frozen=True, slots=True)
class DestroyLimit:
    """At most ``maximum`` may be destroyed within ``window``; ``recent`` already were."""

    maximum: int
    recent: int
    window: str


def destroy_limit(
    world: World, environments: Iterable[EnvironmentFacts], policy: Policy, now: datetime
) -> DestroyLimit:
    """The limit is a share of the environments at the start of the window, so recently destroyed ones count."""
    ours = sum(subject.record is not None and not _is_being_destroyed(subject) for subject in environments)
    recent = sum(now - policy.destroy_window < moment <= now for moment in world.recent_destroys)
    most = max(policy.destroy_min, math.floor(policy.destroy_share * (ours + recent)))
    return DestroyLimit(most, recent, formatting.duration(policy.destroy_window))


def digest(guarded: Iterable[str]) -> str:
    """Twelve hex digits that identify exactly this set; empty if there is none."""
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
    """Whether an earlier destroy of it was allowed and failed."""
    if environment.failure is not None and environment.failure.verb is OperationVerb.DESTROY:
        return True
    history = environment.record.history if environment.record else ()
    return bool(history) and max(history, key=lambda entry: entry.ended_at).verb is OperationVerb.DESTROY


def _hold(action: Action, note: str, command: str) -> Action | None:
    """Put an action on hold. A leftover has no stack to hold; the plan's note mentions it."""
    if isinstance(action, Destroy):
        reason = wording.limits.destroy_needs_approval(action.reason, note)
        return Hold(action.ref, reason, HoldCode.DESTROY_LIMIT, f"eph approve {command}")
    return None
