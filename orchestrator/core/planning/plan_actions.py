"""What a plan can say: a closed union of frozen values, each with its reason as data.

Doing nothing is an action too (``Wait``, ``Keep``): people ask why nothing happens more often than why something
does. Match on it with ``assert_never``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.core.model.image_lookup import ImageRequest
from programs.spec import EnvironmentSpec
from stacks.model import Key, StackRef, StackTag


@dataclass(frozen=True, slots=True)
class Create:
    """Makes an environment. ``tag`` is what the new stack will say of itself (incarnation still empty)."""

    ref: StackRef
    key: Key
    spec: EnvironmentSpec
    tag: StackTag
    reason: str


@dataclass(frozen=True, slots=True)
class Update:
    """Brings an environment to ``spec`` in place; also completes a half-made one and retries a failed one.

    ``tag`` is None when it need not change.
    """

    ref: StackRef
    key: Key
    spec: EnvironmentSpec
    tag: StackTag | None
    reason: str
    refresh: bool = False
    """Something was left pending or lost: look at what really exists before the update."""
    repair_note: str = ""
    """What people are told once it succeeded: something was lost behind our back."""


@dataclass(frozen=True, slots=True)
class Retag:
    """Only the facts on the tag change: extended, kept."""

    ref: StackRef
    tag: StackTag
    reason: str


@dataclass(frozen=True, slots=True)
class Sleep:
    """Stops what runs of an environment and keeps all that it holds. ``tag`` says since when."""

    ref: StackRef
    name: str
    target: str
    tag: StackTag
    reason: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Starts it again as it was. ``tag`` is what the stack says once it answers; ``commit`` what runs then."""

    ref: StackRef
    name: str
    target: str
    tag: StackTag
    commit: str
    reason: str


@dataclass(frozen=True, slots=True)
class Destroy:
    """Removes an environment and then its record. ``guarded``: counts against the share that may go in an hour,
    because the Git host did not state it positively (a close, a merge, an unlabel and an expiry are stated)."""

    ref: StackRef
    name: str
    target: str
    reason: str
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Purge:
    """Removes what a target holds under a name that neither a stack nor a pull request accounts for."""

    target: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Ends a running operation early, because what it makes is no longer wanted. ``unwanted``: nothing newer follows
    it, only the destroy."""

    ref: StackRef
    reason: str
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """Asks the Git host for that very pull request, branch or tag, before its absence is believed."""

    ref: StackRef
    key: Key
    reason: str
    ref_name: str = ""
    """How the name of the branch or tag begins."""


@dataclass(frozen=True, slots=True)
class Find:
    """Looks for the images of this very commit. ``requests`` are all of them, ``remaining`` those without a pin yet, of
    which
    ``fallback_names`` may take their fallback by now; ``since``: when they are looked for."""

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
    """Writes on the Git host that the time of this very commit ran out. The environment is destroyed once that is
    read back, so that a lost stack can never come to life again for the same commit."""

    ref: StackRef
    key: Key
    commit: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unlabel:
    """Takes the trigger labels off what expired and is gone, and notes on the commit that it did, or may not."""

    ref: StackRef
    key: Key
    commit: str
    labels: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Revive:
    """Lifts the mark from what expired: its label, which we had taken off, is there again."""

    ref: StackRef
    key: Key
    commit: str
    reason: str


class WaitingFor(StrEnum):
    """What a ``Wait`` waits for, for those who must tell them apart without reading the sentence."""

    FACTS = "facts"
    CHECKS = "checks"
    APPROVAL = "approval"
    SETTLE = "settle"
    QUEUE = "queue"
    LANE = "lane"
    BACKOFF = "backoff"
    STALLED = "stalled"
    IMAGE = "image"
    DESTROY = "destroy"
    """Not wanted any more; its destroy is what waits."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now. ``position`` is the place in the queue when that is why; ``until`` when it is tried again."""

    ref: StackRef
    key: Key
    reason: str
    position: int | None = None
    until: datetime | None = None
    waiting_for: WaitingFor = WaitingFor.FACTS


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not done, and will not be until somebody changes something: an eph.yaml that is wrong, a fork, a limit."""

    ref: StackRef
    key: Key
    reason: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """A stack left as it is because not enough is known: unreadable, incomplete snapshot, unproven lock, guard."""

    ref: StackRef
    reason: str
    command: str = ""
    """What an operator can type to go on."""


@dataclass(frozen=True, slots=True)
class Keep:
    """As it should be."""

    ref: StackRef
    key: Key | None
    reason: str


StackAction = (
    Create | Update | Retag | Sleep | Wake | Destroy | Interrupt | Confirm | Find | Expire | Unlabel | Revive
    | Wait | Refuse | Hold | Keep
)  # fmt: skip
Action = StackAction | Purge
