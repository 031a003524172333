"""Pull requests, branches and tags that were queried one by one because a complete list didn't contain them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.core.model.world import Confirmation
from orchestrator.core.util.time_windows import is_within
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks.model import Key

CONFIRMED_TTL = timedelta(minutes=2)


@dataclass(slots=True)
class Confirmations:
    confirmed: dict[Key, tuple[Confirmation, datetime]] = field(default_factory=dict)

    def record(self, confirmation: Confirmation, now: datetime) -> None:
        self.confirmed[confirmation.key] = (confirmation, now)

    def of_repository(self, repository: int) -> dict[Key, Confirmation]:
        return {key: confirmation for key, (confirmation, _) in self.confirmed.items() if key.repository == repository}

    def forget(self, current: CurrentRecords) -> None:
        """A pull request that is listed as open again needs no confirmation."""
        self.confirmed = {
            key: (confirmation, at)
            for key, (confirmation, at) in self.confirmed.items()
            if is_within(at, CONFIRMED_TTL, current.now) and not current.is_open(key)
        }

    def start_term(self, _: RecalledFacts, /) -> None:
        self.confirmed.clear()
