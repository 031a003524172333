"""Stacks as values: what a store contains about each one, and what an operation on one is.

Stacks are found by reading their store, never with ``pulumi stack ls`` (docs/decisions). A stack that can't be read is
``unreadable``, never absent; a snapshot says whether it is ``complete``.
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
    """What an environment is built from."""

    PULL = "pr"
    BRANCH = "branch"
    TAG = "tag"
    DEPLOY = "deploy"
    """A commit that someone deployed under a label. Its tag alone requests it."""


@dataclass(frozen=True, slots=True)
class Key:
    """What an environment is of: one pull request, branch, tag or label deploy. ``stacks.keys`` creates,
    prints and parses it.

    ``repository`` is the numeric id, which survives renames and transfers. ``id`` tells one of that kind from another:
    a pull request's number, or a digest of the name of a branch, a tag or a label deploy.
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
    """The owner of a stack and people's overrides: one compact tag, written as a whole by the stack's own lane.

    ``commit`` and ``seen`` are the newest desired commit and when it was first seen: the TTL counts from there.
    ``incarnation`` distinguishes a stack from an earlier one of the same name, whose tag file may have survived it.
    ``asleep`` is when it fell asleep, ``awake_until`` how long it stays awake at least after someone woke it. ``half``:
    falling asleep or waking started and isn't known to have finished.
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
    """For a branch or tag, its name, cut to what fits; for a label deploy, its label."""
    target: str = DEFAULT_TARGET
    """Its target: a state emptied by a destroy no longer contains it, and leftovers are looked for there."""
    by: str = ""
    """Who deployed it, for a label deploy."""


@dataclass(frozen=True, slots=True)
class PinnedImages:
    """The images of a commit, by name, as its build started with them. ``found`` says how each was found, for
    people."""

    commit: str
    images: Mapping[str, str]
    found: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What was built, from the stack's own outputs: set exactly when ``up`` succeeded. ``images`` and ``found`` are as
    in ``PinnedImages``. ``health``: the path of health checks by service, for services that aren't in eph.yaml."""

    commit: str
    spec_digest: str
    program_version: str
    target: str
    url: str
    urls: Mapping[str, str]
    built_at: datetime
    images: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    """What the build left out, for the author."""
    health: Mapping[str, str] = field(default_factory=dict)


class OperationVerb(StrEnum):
    UP = "up"
    DESTROY = "destroy"
    REFRESH = "refresh"
    RETAG = "retag"
    SLEEP = "sleep"
    WAKE = "wake"

    @property
    def skips_pulumi(self) -> bool:
        """Writes tags and stops or starts processes: no Pulumi, hardly any memory, no entry in the history."""
        return self in (OperationVerb.RETAG, OperationVerb.SLEEP, OperationVerb.WAKE)


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Interrupted: by a newer commit, a close, a deadline or a stop. Not the repository's fault, and not an attempt."""


@dataclass(frozen=True, slots=True)
class StackUpdate:
    """One entry of a stack's own history. ``commit`` is empty for a destroy."""

    verb: OperationVerb
    commit: str
    outcome: Outcome
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class StackLock:
    """A lock that Pulumi left in the store, and what can be proven about its owner."""

    id: str
    pid: int
    host: str
    user: str
    acquired_at: datetime
    owner_dead: bool
    """Proven: on this host, and that exact process (pid and start time) is gone."""


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One stack of ours, as in its store. ``tag`` None: half-created. ``unreadable``: why it couldn't be read."""

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
    """Every resource in its state, by kind and ID (``Database:shop-42/eph_shop``), with its name there."""
    pinned_images: PinnedImages | None = None
    """Recorded before anything was created: a build that failed or was interrupted continues with the same images."""
    variables: str = field(default="", repr=False)
    """The variables that people set for it, encrypted by ephd."""
    name_from_state: str = ""
    """The environment's name according to the stack's own resources, so a lost tag doesn't lose the name."""

    @property
    def name(self) -> str:
        """Empty if neither the tag nor any resource contains it."""
        return self.tag.name if self.tag else self.name_from_state


@dataclass(frozen=True, slots=True)
class StackSnapshot:
    """All our stacks. ``foreign_count`` is the number of other stacks, which are never touched."""

    stacks: Mapping[StackRef, StackRecord] = field(default_factory=dict)
    complete: bool = True
    reason: str = ""
    foreign_count: int = 0


@dataclass(frozen=True, slots=True)
class StrayFile:
    """A file next to the stacks: a tag, a lock, a record, a work folder. ``ref`` is the stack it is about, or None.
    ``in_use``: a process may be using it. ``removal_command`` removes it by hand."""

    kind: str
    path: str
    ref: StackRef | None
    reason: str
    removal_command: str
    in_use: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation for one worker process. Only ``up`` needs ``spec``: a destroy runs from state."""

    ref: StackRef
    verb: OperationVerb
    target: str
    name: str
    tag: StackTag | None = None
    spec: EnvironmentSpec | None = None
    commit: str = ""
    refresh: bool = False
    """Refresh first: something was left pending, or doesn't respond."""
    deadline: float = 1800.0
    settings: Mapping[str, str] = field(default_factory=dict)
    resets: tuple[str, ...] = ()
    """Databases of eph.yaml to drop before an ``up``, which then creates them again."""
    variables: str | None = field(default=None, repr=False)
    """Written with the tag: the variables that people set, encrypted by ephd. None keeps what is there."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Values to redact from progress, logs and results."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """How an operation ended. ``error`` is one sentence for people, ``step`` the step that failed, ``tail`` the last
    lines of output. None of them contains a secret. ``retryable`` False: only a new commit or a person can help."""

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
