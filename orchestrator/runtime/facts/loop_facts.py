"""All facts that a process remembers. ``compose()`` gives each reader those that it needs; the observer reads all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime

from orchestrator.core.model.world import RepositoryFacts
from orchestrator.runtime.facts.attempts import AttemptHistory
from orchestrator.runtime.facts.commits import FirstSeenCommits, OutdatedStacks
from orchestrator.runtime.facts.confirmations import Confirmations
from orchestrator.runtime.facts.destroys import DestroyApprovals, GuardedDestroys
from orchestrator.runtime.facts.image_lookups import ImageLookups
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.runtime.facts.pending_deploys import PendingDeploys
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts, RememberedFact
from orchestrator.runtime.facts.repairs import CompletedRepairs
from orchestrator.runtime.facts.suite_history import SuiteHistory
from stacks.model import StackSnapshot


@dataclass(frozen=True, slots=True)
class LoopFacts:
    attempts: AttemptHistory = field(default_factory=AttemptHistory)
    intents: PendingIntents = field(default_factory=PendingIntents)
    first_seen: FirstSeenCommits = field(default_factory=FirstSeenCommits)
    outdated: OutdatedStacks = field(default_factory=OutdatedStacks)
    image_lookups: ImageLookups = field(default_factory=ImageLookups)
    confirmed: Confirmations = field(default_factory=Confirmations)
    guarded_destroys: GuardedDestroys = field(default_factory=GuardedDestroys)
    approvals: DestroyApprovals = field(default_factory=DestroyApprovals)
    repairs: CompletedRepairs = field(default_factory=CompletedRepairs)
    deploys: PendingDeploys = field(default_factory=PendingDeploys)
    suites: SuiteHistory = field(default_factory=SuiteHistory)

    def __iter__(self) -> Iterator[RememberedFact]:
        return (getattr(self, each.name) for each in fields(self))

    def update(self, repositories: Mapping[int, RepositoryFacts], stacks: StackSnapshot, now: datetime) -> None:
        """Records commits that are seen for the first time, then forgets what has ended."""
        current = CurrentRecords(repositories, stacks, now, self.attempts.failed_destroys())
        for request, record in current.requests():
            self.first_seen.record(request, record, now)
            self.outdated.record(request, record, now)
        for fact in self:
            fact.forget(current)

    def start_term(self, recalled: RecalledFacts) -> None:
        for fact in self:
            fact.start_term(recalled)
