"""The server's limits, as the plan uses them (Y4, L6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.core.costs.budgets import Budgets
from programs.drift_wording import DriftWording
from programs.spec import DEFAULT_TARGET


@dataclass(frozen=True, slots=True)
class Backoff:
    """Retries of one commit: the n-th waits ``initial * factor ** (n - 1)``, at most ``maximum``.

    After ``max_attempts`` it is stalled, and retried hourly (``stalled_interval``), on a new commit, or on request.
    """

    initial: timedelta = timedelta(seconds=15)
    factor: float = 2.0
    maximum: timedelta = timedelta(minutes=10)
    max_attempts: int = 5
    stalled_interval: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DeployLimits:
    """The limits of label deploys (M1, M3)."""

    default_ttl: timedelta = timedelta(hours=24)
    max_ttl: timedelta = timedelta(days=7)
    per_app: int = 10


@dataclass(frozen=True, slots=True)
class Policy:
    server: str = "eph"
    dashboard_url: str = ""
    """Where people reach the dashboard; reports link to it."""
    default_labels: frozenset[str] = frozenset({"preview"})
    max_environments: int = 50
    max_per_repository: int = 20
    max_concurrent: int = 4
    """The maximum number of concurrent operations."""
    limited_by_memory: bool = False
    """Whether ``max_concurrent`` is lower than configured for lack of memory."""
    concurrent_destroys: int = 2
    """How many of them may be destroys while creations wait, so that neither starves the other."""
    ttl_default: timedelta = timedelta(hours=72)
    ttl_max: timedelta = timedelta(days=30)
    expiry_warning: timedelta = timedelta(hours=4)
    """How long before the expiry to warn; at most a quarter of the TTL."""
    debounce: timedelta = timedelta(seconds=2)
    max_supersedes: int = 3
    trusted_authors_only: frozenset[str] = frozenset({DEFAULT_TARGET})
    """Targets that only run commits pushed by people with write access."""
    allow_forks: bool = True
    """Whether a commit of a fork may run once a person with write access approved it."""
    approval_is_trust: bool = True
    """Whether it may then run on ``trusted_authors_only`` targets, too: the approver could have pushed that commit."""
    destroy_share: float = 0.3
    destroy_min: int = 5
    destroy_window: timedelta = timedelta(hours=1)
    unhealthy_after: timedelta = timedelta(seconds=45)
    backoff: Backoff = field(default_factory=Backoff)
    sleep_capable_targets: frozenset[str] = frozenset({DEFAULT_TARGET})
    """Targets that can stop an environment without destroying it."""
    idle_timeout: timedelta | None = None
    """The idle timeout if eph.yaml defines none; None: never sleep."""
    on_demand_targets: frozenset[str] = frozenset()
    """Targets on which a label deploy starts with its first request (M4): the gateway sees every request to them."""
    on_demand_idle: timedelta = timedelta(minutes=15)
    """The idle timeout of a label deploy that starts on demand, if eph.yaml defines none."""
    min_awake: timedelta = timedelta(hours=1)
    """How long an environment that was woken outside its hours stays awake."""
    after_hours_grace: timedelta = timedelta(minutes=10)
    """How long after its last visit an environment stays awake past the end of its hours."""
    max_concurrent_sleeps: int = 4
    """How many go to sleep or wake up at once; not included in ``max_concurrent``."""
    image_poll_interval: timedelta = timedelta(seconds=30)
    """The interval between lookups of an image that a commit waits for."""
    program_versions: Mapping[str, str] = field(default_factory=dict)
    budgets: Budgets = field(default_factory=Budgets)
    drift_wordings: Mapping[str, DriftWording] = field(default_factory=dict)
    """The current program version by target. A target without one isn't compared."""
