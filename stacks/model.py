"""Stacks as values: what a store holds of each one, and what an operation on one is.

A stack is found by reading its store, never by running ``pulumi stack ls`` (docs/decisions). What cannot be read
is ``unreadable``, never absent; a snapshot says whether it is ``complete``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from programs.spec import DEFAULT_TARGET, EnvironmentSpec


@dataclass(frozen=True, slots=True, order=True)
class StackRef:
    """Project and stack name: ``eph-shop-9ix`` and ``pr-42``. The identity of an environment everywhere."""

    project: str
    stack: str

    def __str__(self) -> str:
        return f"{self.project}/{self.stack}"


class RefKind(StrEnum):
    """What an environment is of."""

    PULL = "pr"
    BRANCH = "branch"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Key:
    """What an environment is of: one pull request, branch or tag. ``stacks.keys`` makes, prints and reads it.

    ``repository`` is the numeric id, which survives renames and transfers. ``id`` tells one of that kind from another:
    a pull request's number, or a digest of the name of a branch or a tag.
    """

    repository: int
    kind: RefKind
    id: str

    @property
    def number(self) -> int:
        """The number of a pull request; raises ValueError for anything else."""
        if self.kind is not RefKind.PULL:
            raise ValueError(f"a {self.kind} has no number")
        return int(self.id)

    def __lt__(self, other: Key) -> bool:
        return self._position < other._position

    @property
    def _position(self) -> tuple[int, bool, int, str]:
        return self.repository, self.kind is not RefKind.PULL, len(self.id), self.id


@dataclass(frozen=True, slots=True)
class StackTag:
    """Whose a stack is, and what people overrode: the one compact tag, written whole by the stack's own lane.

    ``commit`` and ``seen`` are the newest commit wanted and when it was first seen: TTL counts from there.
    ``incarnation`` tells a stack from an earlier one of the same name, whose tag file may have outlived it.
    ``asleep`` is since when it sleeps, ``awake_until`` how long at least it stays awake after somebody woke it;
    ``half``: falling asleep or waking up was begun and is not known to have ended.
    """

    key: Key
    repository_name: str
    name: str
    incarnation: str
    commit: str
    seen: datetime
    extended_until: datetime | None = None
    asleep: datetime | None = None
    awake_until: datetime | None = None
    half: bool = False
    keep: bool = False
    ref_name: str = ""
    """Of a branch or a tag, its name, or as much of its beginning as fits."""
    target: str = DEFAULT_TARGET
    """What it is made on: a state that a destroy has emptied does not know it any more, and what is left is looked for
    there."""


@dataclass(frozen=True, slots=True)
class PinnedImages:
    """The images of a commit, by name, as its build began with them; ``found``: how each was found, for people."""

    commit: str
    images: Mapping[str, str]
    found: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What was built, from the stack's own outputs: true exactly when ``up`` was. ``images`` and ``found`` as in
    ``Pinned``."""

    commit: str
    spec_digest: str
    program_version: str
    target: str
    url: str
    urls: Mapping[str, str]
    built_at: datetime
    images: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)


class OperationVerb(StrEnum):
    UP = "up"
    DESTROY = "destroy"
    REFRESH = "refresh"
    RETAG = "retag"
    SLEEP = "sleep"
    WAKE = "wake"

    @property
    def skips_pulumi(self) -> bool:
        """Writes tags and stops or starts what runs: no Pulumi, hardly any memory, no entry in the history."""
        return self in (OperationVerb.RETAG, OperationVerb.SLEEP, OperationVerb.WAKE)


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Interrupted: by a newer commit, a close, a deadline or a stop. Not the repository's fault, not a try."""


@dataclass(frozen=True, slots=True)
class StackUpdate:
    """One entry of a stack's own history. ``commit`` is empty for a destroy."""

    verb: OperationVerb
    commit: str
    outcome: Outcome
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class StackLock:
    """A lock that Pulumi left in the store, and what we can prove of its owner."""

    id: str
    pid: int
    host: str
    user: str
    acquired_at: datetime
    owner_dead: bool
    """Proven: on this host, and that very process (pid and start time) is gone."""


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One stack of ours as its store has it. ``tag`` None: half-made. ``unreadable``: why it could not be read."""

    ref: StackRef
    tag: StackTag | None = None
    built: BuildInfo | None = None
    resource_count: int = 0
    pending_operations: int = 0
    locks: tuple[StackLock, ...] = ()
    history: tuple[StackUpdate, ...] = ()
    unreadable: str = ""
    target: str = DEFAULT_TARGET
    resource_names: Mapping[str, str] = field(default_factory=dict)
    """By kind and id (``Database:shop-42/eph_shop``), every resource that its state knows, with its own name in it."""
    pinned_images: PinnedImages | None = None
    """Said before anything was made of it: a build that failed, or was cut short, goes on with the same images."""
    name_from_state: str = ""
    """The environment's name as the stack's own resources tell it: a lost tag does not lose the name."""

    @property
    def name(self) -> str:
        """Empty when neither the tag nor any resource tells it."""
        return self.tag.name if self.tag else self.name_from_state


@dataclass(frozen=True, slots=True)
class StackSnapshot:
    """All stacks of ours. ``foreign_count`` only counts those that are not: they are never touched."""

    stacks: Mapping[StackRef, StackRecord] = field(default_factory=dict)
    complete: bool = True
    reason: str = ""
    foreign_count: int = 0


@dataclass(frozen=True, slots=True)
class StrayFile:
    """Something that lies beside the stacks: a tag, a lock, a record, a work folder. ``ref`` is the stack it is about;
    None: none at all. ``in_use``: somebody may be at work with it. ``removal_command`` removes it by hand."""

    kind: str
    path: str
    ref: StackRef | None
    reason: str
    removal_command: str
    in_use: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One piece of work for one worker process. ``spec`` is needed by ``up`` alone: a destroy runs from state."""

    ref: StackRef
    verb: OperationVerb
    target: str
    name: str
    tag: StackTag | None = None
    spec: EnvironmentSpec | None = None
    commit: str = ""
    refresh: bool = False
    """Look at what really exists first: something was left pending, or does not answer."""
    deadline: float = 1800.0
    settings: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Values that nothing said of it may show: no progress, no log, no result."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How an operation ended. ``error`` is one sentence for people, ``step`` what was being done, ``tail`` the last
    lines of why; none of them holds a secret. ``retryable`` False: only a new commit or a person helps."""

    ref: StackRef
    verb: OperationVerb
    outcome: Outcome
    commit: str
    started: datetime
    ended: datetime
    error: str = ""
    step: str = ""
    tail: tuple[str, ...] = ()
    retryable: bool = True
    url: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    pulumi_processes: int = 0
