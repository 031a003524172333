"""The last image lookup of each request. Until a build starts, this is the only place that has its result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.model.image_lookup import ImageLookup, ImageResult
from orchestrator.core.planning.plan_actions import Find
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks import names
from stacks.model import Key


@dataclass(slots=True)
class ImageLookups:
    latest: dict[Key, ImageLookup] = field(default_factory=dict)

    def record(self, action: Find, results: Iterable[ImageResult], at: datetime) -> None:
        """An image that was pinned for this commit stays pinned, even if its tag has moved since. Only a fallback is
        replaced, by the commit's own image."""
        before = self.latest.get(action.key)
        if before is not None and before.commit != action.commit:
            before = None
        pinned = {result.name: result for result in (before.results if before else ()) if result.pin}
        fresh = {result.name: result for result in results}
        kept = {name: result for name, result in pinned.items() if not _improves(fresh.get(name), result)}
        merged = {**fresh, **kept}
        unreachable = any(result.unreachable for result in [*fresh.values(), *merged.values()])
        errors = (before.consecutive_errors if before else 0) + 1 if unreachable else 0
        self.latest[action.key] = ImageLookup(
            action.commit, action.requests, action.since, at, tuple(merged.values()), errors
        )

    def forget(self, current: CurrentRecords) -> None:
        self.latest = current.requested(self.latest)

    def start_term(self, recalled: RecalledFacts) -> None:
        """A restart doesn't reset how long a commit has been waiting for its images."""
        waits = ((names.parse(ref), wait) for ref, wait in recalled.image_waits.items())
        self.latest = {parsed: ImageLookup(commit, (), since, since) for parsed, (commit, since) in waits if parsed}


def _improves(result: ImageResult | None, before: ImageResult) -> bool:
    """Whether a lookup found the commit's own image where there was only the fallback."""
    found, had = result.pin if result else None, before.pin
    return bool(found and had and had.fallback_tag and not found.fallback_tag)
