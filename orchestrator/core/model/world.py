"""The world as values: what the Git host says should exist, and everything the plan may look at.

A snapshot that could not be read whole says so (``complete``): it can create and update, never destroy. A reading
that failed is never an empty reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.core.model.image_lookup import ImageLookup, ImageRequest
from orchestrator.core.planning.memory_limits import Headroom
from orchestrator.core.sleep.schedules import WeeklySchedule
from orchestrator.core.suites.suite_results import SuiteRuns
from programs.spec import EnvironmentSpec, SuiteSpec
from stacks.model import Key, OperationResult, OperationVerb, RefKind, StackRef, StackSnapshot


class PullState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"
    GONE = "gone"
    """The repository answered, with the same id, and knows no such pull request."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    key: Key
    state: PullState
    title: str
    labels: frozenset[str]
    author: str
    head_sha: str
    head_ref: str
    base_ref: str
    url: str
    from_fork: bool = False
    draft: bool = False
    author_trusted: bool | None = None
    """Whether the author may write to the repository; None when that could not be found out."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A repository's eph.yaml at one commit, in the plan's own terms, after the server's policy bounded it.

    ``spec`` is what to build; its ``source``, ``name``, ``host`` and ``marks`` are already this pull request's.
    ``paths``: only a pull request that changes one of these gets an environment; empty: any.
    ``digest`` is the spec's own, computed once when the recipe is made:
    a plan over ten thousand recipes cannot afford to hash each of them every time.
    ``images``: what its services run, to be found for this commit; ``spec`` has them once they are (``sought``).
    """

    spec: EnvironmentSpec
    labels: frozenset[str]
    wait_for_checks: tuple[str, ...] = ()
    ttl: timedelta | None = None
    idle_timeout: timedelta | None = None
    destroy_when_idle: bool = False
    """What nobody uses is destroyed, and not put to sleep."""
    schedule: WeeklySchedule | None = None
    allow_drafts: bool = True
    paths: tuple[str, ...] = ()
    digest: str = ""
    suites: tuple[SuiteSpec, ...] = ()
    images: tuple[ImageRequest, ...] = ()
    notices: tuple[str, ...] = ()
    """What the file asks for and this version of Eph does not do, a sentence each, with file and line."""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", self.spec.digest)


@dataclass(frozen=True, slots=True)
class RecipeError:
    """Why no recipe could be had at this commit: sentences with file, line and what was expected.

    ``transient`` True: the file could not be read just now, which says nothing about it. ``labels`` are those that
    would ask for an environment here (from the base branch, else the server's default).
    """

    problems: tuple[str, ...]
    labels: frozenset[str]
    transient: bool = False


class CheckState(StrEnum):
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Request:
    """An open pull request with a label that may mean us, and what its commit says.

    A branch or a tag is one too: ``pull`` has its name as ``head_ref``, and no label, author or URL."""

    pull: PullRequest
    recipe: Recipe | RecipeError
    checks: Mapping[str, CheckState] = field(default_factory=dict)
    retry_requested: bool = False
    expired: bool = False
    """The commit status of ours on this very commit says that its time ran out."""
    label_removed: bool | None = None
    """Of an expired one: whether we took its label off, so that one that is there now is a person's; False: we may
    not; None: that is still to do."""
    matches_paths: bool | None = True
    """Whether it changes any of the paths that count; None: that could not be read."""
    approval: str = ""
    """What our mark on this very commit of a fork says of who lets it run; empty: nobody has."""
    expiry_reason: str = ""
    """The words of the mark that it expired."""


@dataclass(frozen=True, slots=True)
class WatchedRefs:
    """The branches and tags that get environments, by the globs in the default branch's eph.yaml; and the lines of a
    comment that ask for one, besides ``/eph up``."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()

    def patterns_for(self, kind: RefKind) -> tuple[str, ...]:
        return {RefKind.BRANCH: self.branches, RefKind.TAG: self.tags}.get(kind, ())


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """One repository as last read. Not ``complete``: ``reason`` says why, and absence proves nothing. The same for its
    branches and tags: ``refs_complete``, ``refs_reason``.

    ``requests`` are the open pull requests with a trigger label, and the watched branches and tags; ``open`` the keys
    of everything that is open. ``confirmed`` holds
    the states that the host stated for single pull requests that were asked for.
    """

    id: int
    full_name: str
    complete: bool
    reason: str = ""
    requests: Mapping[Key, Request] = field(default_factory=dict)
    open: frozenset[Key] = frozenset()
    confirmed: Mapping[Key, PullRequest] = field(default_factory=dict)
    refs_complete: bool = True
    refs_reason: str = ""
    watched_refs: WatchedRefs = WatchedRefs()

    def is_complete_for(self, key: Key) -> bool:
        """Whether the absence of that pull request, branch or tag would prove anything."""
        return self.complete and (self.refs_complete or key.kind is RefKind.PULL)


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """The last answer of an environment's URL, as ephd itself got it through the gateway."""

    ok: bool
    commit: str
    at: datetime
    since: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrafficSnapshot:
    """What the gateway saw, by host: the last use, and the last time that somebody knocked at one that sleeps.

    It has watched up to ``observed_until``, as far as is known, and all hosts that it names; of others it says nothing.
    """

    observed_until: datetime
    last_requests: Mapping[str, datetime] = field(default_factory=dict)
    wake_requests: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """The same of one environment, over all its hosts."""

    last_request: datetime
    observed_until: datetime
    wake_request: datetime | None = None


@dataclass(frozen=True, slots=True)
class CompletedRepair:
    """A repair that succeeded: what had been lost, in the words that people are told, and the commit that runs."""

    at: datetime
    commit: str
    sentence: str


@dataclass(frozen=True, slots=True)
class RunningOperation:
    """An operation in its lane right now."""

    ref: StackRef
    verb: OperationVerb
    commit: str
    started: datetime
    superseded: int = 0
    """How many times in a row a newer commit already interrupted this stack's update."""
    interrupting: bool = False
    progress: str = ""
    remote: bool = False
    """A replica that led before began it: it cannot be interrupted, only waited for."""
    name: str = ""
    """The environment's, which nothing else may tell before its stack is there and after its pull request closed."""


class IntentKind(StrEnum):
    DOWN = "down"
    RETRY = "retry"
    EXTEND = "extend"
    KEEP = "keep"
    UNKEEP = "unkeep"
    SLEEP = "sleep"
    WAKE = "wake"


TAG_INTENTS = (IntentKind.EXTEND, IntentKind.KEEP, IntentKind.UNKEEP, IntentKind.SLEEP, IntentKind.WAKE)
"""Those that are carried out by a change of the stack's tag: until the tag has it, a kill loses the intent."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What a person asked for, through the API: kept until it is carried out or refused."""

    ref: StackRef
    kind: IntentKind
    by: str
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class World:
    """Everything the plan may know. ``failures`` are the last results that were not a success, by stack."""

    repositories: Mapping[int, RepositoryFacts]
    stacks: StackSnapshot
    running: Mapping[StackRef, RunningOperation] = field(default_factory=dict)
    health: Mapping[StackRef, HealthStatus] = field(default_factory=dict)
    failures: Mapping[StackRef, OperationResult] = field(default_factory=dict)
    first_seen: Mapping[Key, tuple[str, datetime]] = field(default_factory=dict)
    """When the newest commit of a pull request was first seen: for debouncing, and for the tag of a new stack."""
    recent_destroys: tuple[datetime, ...] = ()
    """Guarded destroys within the rolling hour."""
    target_environments: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By target, the names of environments of which anything exists there; a target that failed is left out."""
    live_parts: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """By target and kind, the ids of the parts that stand there; what could not be looked at is left out."""
    completed_repairs: Mapping[StackRef, CompletedRepair] = field(default_factory=dict)
    suite_runs: SuiteRuns = field(default_factory=SuiteRuns)
    intents: tuple[Intent, ...] = ()
    approved_plans: frozenset[str] = frozenset()
    approved_destroys: frozenset[str] = frozenset()
    """What approved plans named (``Plan.guarded``) and is not gone yet: one that is half carried out stays approved."""
    failed_attempts: Mapping[StackRef, int] = field(default_factory=dict)
    """How often in a row what ``failures`` tells of failed, as this process counted: for what never reached the
    stack's own history."""
    waiting_since: Mapping[Key, datetime] = field(default_factory=dict)
    """Since when a pull request waits for anything newer than it has; further pushes do not move it, so that a storm
    of them neither delays its own update for ever nor loses its place in the queue."""
    traffic: TrafficSnapshot | None = None
    """None: nobody can tell who used what, so nothing is idle."""
    image_lookups: Mapping[Key, ImageLookup] = field(default_factory=dict)
    """The last look for the images of a commit that has not all of them yet."""
    headroom: Headroom | None = None
    """What memory there is for operations; None: it bounds nothing."""
