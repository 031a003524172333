"""When the newest commit of each request was first seen, and since when the stack has been behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.desired import image_pinning
from orchestrator.core.model.world import EnvironmentRequest, Recipe
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks.model import Key, StackRecord


@dataclass(slots=True)
class FirstSeenCommits:
    """The TTL of an environment counts from here. A request that ends and comes back starts again."""

    seen: dict[Key, tuple[str, datetime]] = field(default_factory=dict)

    def record(self, request: EnvironmentRequest, record: StackRecord | None, now: datetime) -> None:
        key, head = request.key, request.commit
        if self.seen.get(key, ("", now))[0] != head:
            self.seen[key] = (head, _recorded_at(record, head, now))
        elif self.seen[key][1] > now:  # the clock was set back
            self.seen[key] = (head, now)

    def reset(self, key: Key) -> None:
        self.seen.pop(key, None)

    def forget(self, current: CurrentRecords) -> None:
        self.seen = current.requested(self.seen)

    def start_term(self, recalled: RecalledFacts) -> None:
        """Keeps everything: every replica sees the same commits."""


@dataclass(slots=True)
class OutdatedStacks:
    """Since when a request has been waiting for its newest commit to be built: the debounce counts from here."""

    since: dict[Key, datetime] = field(default_factory=dict)

    def record(self, request: EnvironmentRequest, record: StackRecord | None, now: datetime) -> None:
        key = request.key
        if isinstance(request.recipe, Recipe) and _is_outdated(request.recipe, record):
            self.since[key] = min(self.since.get(key, now), now)
        else:
            self.since.pop(key, None)

    def forget(self, current: CurrentRecords) -> None:
        self.since = current.requested(self.since)

    def start_term(self, recalled: RecalledFacts) -> None:
        """Keeps everything: every replica sees the same commits."""


def _recorded_at(record: StackRecord | None, head: str, now: datetime) -> datetime:
    """The stack's tag keeps the time across restarts."""
    if record is not None and record.tag is not None and record.tag.commit == head:
        return min(record.tag.seen, now)
    return now


def _is_outdated(recipe: Recipe, record: StackRecord | None) -> bool:
    built = record.built if record is not None else None
    return built is None or not image_pinning.is_as_built(recipe, built)
