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

from orchestrator.core import reasons
from orchestrator.core.actions import Action, Destroy, Hold, Purge
from orchestrator.core.model import World
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from stacks.model import StackRef, Verb


@dataclass(frozen=True, slots=True)
class Judged:
    """What the guard let through or held; ``guarded`` names what it judged, ``note`` says that it holds."""

    actions: tuple[Action, ...]
    guarded: tuple[str, ...] = ()
    note: str = ""


def judge(actions: list[Action], subjects: Mapping[StackRef, Subject], world: World, limits: Limit) -> Judged:
    labels = [label(action) if _counts(action, subjects) else "" for action in actions]
    guarded = tuple(sorted(name for name in labels if name))
    open_ = [name for name in guarded if name not in world.approved]
    command = digest(guarded)
    if limits.recent + len(open_) <= limits.most or command in world.approved_plans:
        return Judged(tuple(actions), guarded)
    note = (
        f"{reasons.count(len(open_), 'thing')} would be destroyed without the Git host saying that they are closed, "
        f"after {limits.recent} within {limits.window}; at most {limits.most} may go"
    )
    held = set(open_)
    pairs = zip(actions, labels, strict=True)
    kept = [_held(action, note, command) if name in held else action for action, name in pairs]
    return Judged(tuple(action for action in kept if action is not None), guarded, f"{note}: eph approve {command}")


@dataclass(frozen=True, slots=True)
class Limit:
    """``most`` may go within ``window``, and ``recent`` went already."""

    most: int
    recent: int
    window: str


def limit(world: World, subjects: Iterable[Subject], policy: Policy, now: datetime) -> Limit:
    """The share counts what was there when the window began: what went since, or is going, is added back."""
    ours = sum(subject.record is not None and not _is_going(subject) for subject in subjects)
    recent = sum(now - policy.destroy_window < moment <= now for moment in world.destroyed_recently)
    most = max(policy.destroy_least, math.floor(policy.destroy_share * (ours + recent)))
    return Limit(most, recent, reasons.duration(policy.destroy_window))


def digest(guarded: Iterable[str]) -> str:
    """Twelve hex digits that name this very set; empty for none."""
    text = "\n".join(sorted(guarded))
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""


def label(action: Action) -> str:
    match action:
        case Destroy(ref=ref):
            return str(ref)
        case Purge(target=target, name=name):
            return f"{target}:{name}"
        case _:
            raise TypeError(f"{type(action).__name__} is never guarded")


def _counts(action: Action, subjects: Mapping[StackRef, Subject]) -> bool:
    if isinstance(action, Destroy):
        return action.guarded and not _begun(subjects[action.ref])
    return isinstance(action, Purge)


def _is_going(subject: Subject) -> bool:
    return subject.running is not None and subject.running.verb is Verb.DESTROY


def _begun(subject: Subject) -> bool:
    """A destroy of it was let through before, and did not end well."""
    if subject.failure is not None and subject.failure.verb is Verb.DESTROY:
        return True
    history = subject.record.history if subject.record else ()
    return bool(history) and max(history, key=lambda entry: entry.ended).verb is Verb.DESTROY


def _held(action: Action, note: str, command: str) -> Action | None:
    """A leftover has no stack to hold: the note of the plan speaks for it."""
    if isinstance(action, Destroy):
        return Hold(action.ref, f"{action.reason}; {note}", f"eph approve {command}")
    return None
