"""The last repair of each stack that had drifted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.core.model.world import CompletedRepair
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks.model import StackRef

REPAIR_TTL = timedelta(days=1)


@dataclass(slots=True)
class CompletedRepairs:
    latest: dict[StackRef, CompletedRepair] = field(default_factory=dict)

    def record(self, ref: StackRef, repair: CompletedRepair) -> None:
        self.latest[ref] = repair

    def forget(self, current: CurrentRecords) -> None:
        self.latest = {ref: repair for ref, repair in self.latest.items() if current.now - repair.at < REPAIR_TTL}

    def start_term(self, recalled: RecalledFacts) -> None:
        self.latest = dict(recalled.repairs)
