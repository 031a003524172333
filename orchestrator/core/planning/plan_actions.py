"""The actions of a plan: a closed union of frozen values, each with its reason.

Code and tests compare a reason's code (``reason_codes``, ``WaitingFor``), never its sentence.

Doing nothing is an action too (``Wait``, ``Keep``), because people ask more often why nothing happens than why
something does. Match on the union with ``assert_never``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.core.model.image_lookup import ImageRequest
from orchestrator.core.planning.reason_codes import (
    HoldCode,
    LaneCode,
    LimitCode,
    RefusalCode,
    SleepCode,
    UnwantedCode,
    UpdateCode,
)
from programs.spec import EnvironmentSpec
from stacks.model import Key, StackRef, StackTag


@dataclass(frozen=True, slots=True)
class Create:
    """Create an environment. ``tag`` is the new stack's tag (its incarnation is still empty)."""

    ref: StackRef
    key: Key
    spec: EnvironmentSpec
    tag: StackTag
    reason: str


@dataclass(frozen=True, slots=True)
class Update:
    """Update an environment to ``spec``; also completes a half-created one and retries a failed one.

    ``tag`` is None if it doesn't change.
    """

    ref: StackRef
    key: Key
    spec: EnvironmentSpec
    tag: StackTag | None
    reason: str
    code: UpdateCode
    refresh: bool = False
    """Refresh the state before the update, because something is half-done or lost."""
    repair_note: str = ""
    """What is reported after a repair."""
    resets: tuple[str, ...] = ()
    """The databases to drop first, so that they are created again."""


@dataclass(frozen=True, slots=True)
class Retag:
    """Only change the tag: extended, kept. ``variables``: those that it is to contain, encrypted; None keeps them."""

    ref: StackRef
    tag: StackTag
    reason: str
    variables: str | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Stop an environment's processes and keep its data. ``tag`` contains the time."""

    ref: StackRef
    name: str
    target: str
    tag: StackTag
    reason: str
    code: SleepCode


@dataclass(frozen=True, slots=True)
class Wake:
    """Start it again. ``tag`` is the tag once it responds; ``commit`` is what runs then."""

    ref: StackRef
    name: str
    target: str
    tag: StackTag
    commit: str
    reason: str
    code: SleepCode


@dataclass(frozen=True, slots=True)
class Destroy:
    """Destroy an environment, then remove its record.

    ``guarded``: it counts against the hourly limit, because the Git host didn't state it explicitly. A close, a merge,
    a removed label and an expiry are explicit.
    """

    ref: StackRef
    name: str
    target: str
    reason: str
    code: UnwantedCode
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Purge:
    """Remove what a target has under a name for which no stack and no pull request exists."""

    target: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Interrupt an operation whose result is no longer wanted. ``unwanted``: a destroy follows, not an update."""

    ref: StackRef
    reason: str
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask the Git host for exactly this pull request, branch or tag before treating it as gone."""

    ref: StackRef
    key: Key
    reason: str
    ref_name: str = ""
    """The beginning of the name of the branch or tag."""


@dataclass(frozen=True, slots=True)
class Find:
    """Look up the images of this commit. ``requests`` are all of them, ``remaining`` those without a pin.

    ``fallback_names`` may use their fallback now. ``since``: when the lookup started.
    """

    ref: StackRef
    key: Key
    commit: str
    target: str
    requests: tuple[ImageRequest, ...]
    remaining: tuple[ImageRequest, ...]
    fallback_names: frozenset[str]
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Set a commit status that says that this commit expired.

    The environment is destroyed once that status is read back, so a lost stack is never recreated for the same commit.
    """

    ref: StackRef
    key: Key
    commit: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unlabel:
    """Remove the trigger labels after an expired environment is destroyed, and record that in the commit status."""

    ref: StackRef
    key: Key
    commit: str
    labels: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Revive:
    """Remove the expiry status, because a person added the label again."""

    ref: StackRef
    key: Key
    commit: str
    reason: str


class WaitingFor(StrEnum):
    """What a ``Wait`` waits for, as a code. ``reason`` is for people."""

    FACTS = "facts"
    STACKS = "stacks"
    """Not all stacks could be read."""
    ACCESS = "access"
    """Whether the author has write access."""
    CONFIG = "config"
    """eph.yaml couldn't be read."""
    CHECKS = "checks"
    APPROVAL = "approval"
    SETTLE = "settle"
    QUEUE = "queue"
    LANE = "lane"
    BACKOFF = "backoff"
    STALLED = "stalled"
    IMAGE = "image"
    DESTROY = "destroy"
    """No longer wanted; the destroy waits."""
    PAUSE = "pause"
    """A person paused the server."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now. ``position`` is the position in the queue, if any; ``until`` is the next attempt."""

    ref: StackRef
    key: Key
    reason: str
    position: int | None = None
    until: datetime | None = None
    waiting_for: WaitingFor = WaitingFor.FACTS
    lane: LaneCode | None = None
    """Why it waits for the lane."""
    limit: LimitCode | None = None
    """The limit for which it is queued."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not done until a person changes something: an invalid eph.yaml, a fork, a limit."""

    ref: StackRef
    key: Key
    reason: str
    code: RefusalCode | UnwantedCode
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Leave a stack as it is because not enough is known: unreadable, incomplete snapshot, live lock, guard."""

    ref: StackRef
    reason: str
    code: HoldCode
    command: str = ""
    """What an operator can run to continue."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Desired and observed state match."""

    ref: StackRef
    key: Key | None
    reason: str


StackAction = (
    Create | Update | Retag | Sleep | Wake | Destroy | Interrupt | Confirm | Find | Expire | Unlabel | Revive
    | Wait | Refuse | Hold | Keep
)  # fmt: skip
Action = StackAction | Purge
