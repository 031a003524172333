"""The server's own bounds, as the plan needs them (Y4, L6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from programs.drift_wording import DriftWording
from programs.spec import DEFAULT_TARGET


@dataclass(frozen=True, slots=True)
class Backoff:
    """Tries of one commit: the n-th waits ``first * factor ** (n - 1)``, at most ``maximum``; after ``max_attempts`` it
    is stalled and tried hourly (``stalled_interval``), on a new commit, or when a person asks."""

    initial: timedelta = timedelta(seconds=15)
    factor: float = 2.0
    maximum: timedelta = timedelta(minutes=10)
    max_attempts: int = 5
    stalled_interval: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Policy:
    server: str = "eph"
    default_labels: frozenset[str] = frozenset({"preview"})
    max_environments: int = 50
    max_per_repository: int = 20
    max_concurrent: int = 4
    """The maximum number of concurrent operations."""
    limit_reason: str = ""
    """Why they are fewer than the setting says, for the sentence that says how many."""
    concurrent_destroys: int = 2
    """Of which destroys, when creations are waiting: cleaning never starves making, nor the other way round."""
    ttl_default: timedelta = timedelta(hours=72)
    ttl_max: timedelta = timedelta(days=30)
    expiry_warning: timedelta = timedelta(hours=4)
    """So long before the end people are warned; at most a quarter of the whole time."""
    debounce: timedelta = timedelta(seconds=2)
    max_supersedes: int = 3
    trusted_authors_only: frozenset[str] = frozenset({DEFAULT_TARGET})
    """Targets that run only what people with write access pushed."""
    allow_forks: bool = True
    """Whether a commit of a fork may run at all, once somebody with write access approved that very one."""
    approval_is_trust: bool = True
    """Whether it may then run on the guarded targets too: who approves could as well have pushed that commit."""
    destroy_share: float = 0.3
    destroy_min: int = 5
    destroy_window: timedelta = timedelta(hours=1)
    unhealthy_after: timedelta = timedelta(seconds=45)
    backoff: Backoff = field(default_factory=Backoff)
    first_lookup: timedelta = timedelta(seconds=30)
    sleep_capable_targets: frozenset[str] = frozenset({DEFAULT_TARGET})
    """Targets that can stop an environment without destroying it."""
    idle_timeout: timedelta | None = None
    """After how long without a visit an environment sleeps whose eph.yaml says nothing; None: never."""
    min_awake: timedelta = timedelta(hours=1)
    """So long it stays awake that somebody woke outside of its hours."""
    after_hours_grace: timedelta = timedelta(minutes=10)
    """So long after the last visit what is in use at the end of its hours still goes on."""
    max_concurrent_sleeps: int = 4
    """How many fall asleep or wake up at once, beside the operations that the limit above counts."""
    image_poll_interval: timedelta = timedelta(seconds=30)
    """Between two looks for an image that a commit waits for."""
    program_versions: Mapping[str, str] = field(default_factory=dict)
    drift_wordings: Mapping[str, DriftWording] = field(default_factory=dict)
    """By target, the version of the program that would build now; a target left out is not compared."""
