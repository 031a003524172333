"""The world as values: what should exist according to the Git host, and all other input of the plan.

A snapshot says whether it is ``complete``. An incomplete one can create and update, but never destroy. A failed read is
never an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.core.costs.spending import NO_SPENDING, Spending
from orchestrator.core.model.image_lookup import ImageLookup, ImageRequest
from orchestrator.core.model.pause import Pause
from orchestrator.core.model.variables import VariableOverrides
from orchestrator.core.planning.memory_limits import Headroom
from orchestrator.core.sleep.schedules import WeeklySchedule
from orchestrator.core.suites.suite_results import SuiteRuns
from programs.costs import CostEstimate
from programs.spec import EnvironmentSpec, SuiteSpec
from stacks.model import Key, OperationResult, OperationVerb, RefKind, StackRef, StackSnapshot


@dataclass(frozen=True, slots=True)
class AppRoute:
    """The app that a repository contains: its own host name, and the branch of its active version. Empty: none."""

    host: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True)
class LinkTemplate:
    """A link for people. ``url`` may contain ``{url}`` and the like, which are known once the environment is built."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """A repository's eph.yaml at one commit, limited by the server's policy.

    ``spec`` is what to build, with this pull request's ``source``, ``name``, ``host`` and ``marks``. If ``paths`` isn't
    empty, only a pull request that changes one of them gets an environment. ``digest`` is the spec's digest, computed
    once: hashing ten thousand recipes in every plan would be too slow. ``images`` are looked up for this commit;
    ``spec`` contains them once they are found (``image_pinning``).
    """

    spec: EnvironmentSpec
    labels: frozenset[str]
    wait_for_checks: tuple[str, ...] = ()
    ttl: timedelta | None = None
    idle_timeout: timedelta | None = None
    destroy_when_idle: bool = False
    """Destroy it when idle, instead of putting it to sleep."""
    schedule: WeeklySchedule | None = None
    allow_drafts: bool = True
    paths: tuple[str, ...] = ()
    digest: str = ""
    suites: tuple[SuiteSpec, ...] = ()
    images: tuple[ImageRequest, ...] = ()
    app: AppRoute = AppRoute()
    notices: tuple[str, ...] = ()
    """What the file requests but this version of Eph doesn't support, with file and line."""

    links: tuple[LinkTemplate, ...] = ()
    bar: bool = False
    """Show the bar on the environment's pages."""
    disabled: tuple[str, ...] = ()
    """The services that a label turns off."""
    size: str = ""
    """The size that a label selects; empty: the file's own."""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", self.spec.digest)


@dataclass(frozen=True, slots=True)
class RecipeError:
    """Why there is no recipe at this commit: sentences with file, line and what was expected.

    ``transient``: the file couldn't be read at the moment; it may be valid. ``labels`` are the trigger labels that
    apply instead (from the base branch, otherwise the server's default).
    """

    problems: tuple[str, ...]
    labels: frozenset[str]
    transient: bool = False


class CheckState(StrEnum):
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


class Trust(StrEnum):
    """Whether the author of a commit may run it on a target that is reserved for people with write access."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"
    FORK = "fork"
    """The commit comes from a fork: nothing of it runs without approval."""


@dataclass(frozen=True, slots=True)
class EnvironmentRequest:
    """A request for an environment of one commit. The plan doesn't depend on which source it comes from.

    ``reason`` says why it is requested. ``withdrawn`` and ``excluded`` say why it gets no environment after all; the
    first is decided before its expiry, and isn't reported if nothing exists. ``undecided`` says what isn't known yet: a
    new environment waits for it. ``trigger_labels`` are removed after expiry; ``labels`` are all of the pull request.
    """

    key: Key
    commit: str
    ref: str
    recipe: Recipe | RecipeError
    reason: str
    trust: Trust = Trust.UNKNOWN
    title: str = ""
    author: str = ""
    url: str = ""
    trigger_labels: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    withdrawn: str = ""
    excluded: str = ""
    undecided: str = ""
    checks: Mapping[str, CheckState] = field(default_factory=dict)
    retry_requested: bool = False
    expired: bool = False
    """Whether our commit status says that this commit expired."""
    label_removed: bool | None = None
    """Whether Eph removed the label after expiry, so that a label set now was added by a person.

    False: Eph isn't allowed to; None: not done yet.
    """
    approval: str = ""
    """Who approved this commit of a fork, from its commit status; empty: no one."""
    expiry_reason: str = ""
    """The description of the commit status that says it expired."""
    expires_at: datetime | None = None
    """The end that the source states. It replaces the TTL of eph.yaml, and no commit status is written."""


class Existence(StrEnum):
    PRESENT = "present"
    ENDED = "ended"
    """Stated explicitly: it is closed or merged, or no trigger selects it any more."""
    GONE = "gone"
    """The repository, with the same id, has no such thing: weaker, because a wrong id or a bug could say this."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the Git host answered when it was asked for one pull request, branch or tag.

    ``reason`` is the sentence for people if it isn't ``PRESENT``. ``needs_complete_list``: it counts only together with
    a complete list that doesn't contain the key either.
    """

    key: Key
    existence: Existence
    reason: str = ""
    needs_complete_list: bool = False


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """One repository as last read. If it isn't ``complete``, ``reason`` says why, and absence proves nothing.

    ``incomplete_kinds`` says the same about single kinds, such as branches. ``open`` are the keys of everything that is
    open, ``requests`` those of it that request an environment. ``unrequested`` is what is open and explicitly requests
    none, with the reason. ``confirmed`` are the answers about single ones that were queried. ``phrases`` are comment
    lines that work like ``/eph up``.
    """

    id: int
    full_name: str
    complete: bool
    reason: str = ""
    requests: Mapping[Key, EnvironmentRequest] = field(default_factory=dict)
    open: frozenset[Key] = frozenset()
    unrequested: Mapping[Key, str] = field(default_factory=dict)
    confirmed: Mapping[Key, Confirmation] = field(default_factory=dict)
    incomplete_kinds: Mapping[RefKind, str] = field(default_factory=dict)
    phrases: tuple[str, ...] = ()

    def is_complete_for(self, key: Key) -> bool:
        """Whether the absence of that pull request, branch or tag proves that it is gone."""
        return self.complete and key.kind not in self.incomplete_kinds


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """The last health check of an environment's URL, sent by ephd through the gateway."""

    ok: bool
    commit: str
    at: datetime
    since: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrafficSnapshot:
    """The gateway's traffic by host: the last request, and the last one that found its environment asleep.

    The gateway observed all these hosts until ``observed_until``, as far as known. Other hosts are unknown.
    """

    observed_until: datetime
    last_requests: Mapping[str, datetime] = field(default_factory=dict)
    wake_requests: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """The traffic of one environment, over all its hosts."""

    last_request: datetime
    observed_until: datetime
    wake_request: datetime | None = None


@dataclass(frozen=True, slots=True)
class CompletedRepair:
    """A successful repair: the commit, and a sentence for people."""

    at: datetime
    commit: str
    sentence: str


@dataclass(frozen=True, slots=True)
class RunningOperation:
    """A running operation."""

    ref: StackRef
    verb: OperationVerb
    commit: str
    started: datetime
    superseded: int = 0
    """How many times in a row a newer commit interrupted this stack's update."""
    interrupting: bool = False
    progress: str = ""
    remote: bool = False
    """An earlier leader started it: it can't be interrupted, only awaited."""
    name: str = ""
    """The environment's name, needed before its stack exists and after its pull request is closed."""


class IntentKind(StrEnum):
    DOWN = "down"
    RETRY = "retry"
    EXTEND = "extend"
    KEEP = "keep"
    UNKEEP = "unkeep"
    SLEEP = "sleep"
    WAKE = "wake"
    VARIABLES = "variables"
    RESET_DATABASE = "reset-database"


TAG_INTENTS = (IntentKind.EXTEND, IntentKind.KEEP, IntentKind.UNKEEP, IntentKind.SLEEP, IntentKind.WAKE)
"""Requests that change the stack's tag. A kill loses the request until the tag is written."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A person's request, kept until it is executed or refused."""

    ref: StackRef
    kind: IntentKind
    by: str
    at: datetime
    until: datetime | None = None
    variables: VariableOverrides | None = None
    """All variables that the environment is to have, for a change of them."""
    databases: tuple[str, ...] = ()
    """The databases to reset."""


@dataclass(frozen=True, slots=True)
class World:
    """The complete input of the plan. ``failures`` are the last unsuccessful results by stack."""

    repositories: Mapping[int, RepositoryFacts]
    stacks: StackSnapshot
    running: Mapping[StackRef, RunningOperation] = field(default_factory=dict)
    health: Mapping[StackRef, HealthStatus] = field(default_factory=dict)
    failures: Mapping[StackRef, OperationResult] = field(default_factory=dict)
    first_seen: Mapping[Key, tuple[str, datetime]] = field(default_factory=dict)
    """When each pull request's newest commit was first seen, for debouncing and for new tags."""
    recent_destroys: tuple[datetime, ...] = ()
    """Guarded destroys within the rolling hour."""
    target_environments: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The names of environments with any resource, by target. A target that couldn't be read is missing."""
    live_parts: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """The ids of live resources, by target and kind. What couldn't be read is missing."""
    completed_repairs: Mapping[StackRef, CompletedRepair] = field(default_factory=dict)
    suite_runs: SuiteRuns = field(default_factory=SuiteRuns)
    intents: tuple[Intent, ...] = ()
    approved_plans: frozenset[str] = frozenset()
    approved_destroys: frozenset[str] = frozenset()
    """Environments of approved plans (``Plan.guarded``) that aren't gone yet, so a half-executed plan stays approved.
    """
    failed_attempts: Mapping[StackRef, int] = field(default_factory=dict)
    """Consecutive failures counted by this process, for operations that never reached the stack's history."""
    waiting_since: Mapping[Key, datetime] = field(default_factory=dict)
    """Since when a pull request waits for a newer commit.

    Further pushes don't change it, so frequent pushes neither delay an update forever nor lose its place in the queue.
    """
    traffic: TrafficSnapshot | None = None
    """None: traffic is unknown, so nothing is idle."""
    image_lookups: Mapping[Key, ImageLookup] = field(default_factory=dict)
    """The last lookup for commits with missing images."""
    headroom: Headroom | None = None
    """Memory for operations; None: no limit."""
    estimates: Mapping[Key, CostEstimate] = field(default_factory=dict)
    """What environments cost. A target without prices has none."""
    spending: Spending = NO_SPENDING
    variables: Mapping[StackRef, VariableOverrides] = field(default_factory=dict)
    """What people set, of the stacks that have any."""
    pause: Pause | None = None
