"""What one life of ephd remembers between cycles. All of it may be lost: the next life sees the facts again.

Losing it costs at most a fresh debounce, a try counted anew, an approval to be given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.core.model import Candidate, Intent, Key, PullRequest, Recipe, RepositoryFacts
from stacks import names
from stacks.model import OperationResult, Outcome, StackRecord, StackRef, StackSnapshot, Verb

CONFIRMED_FOR = timedelta(minutes=2)
INTENTS_FOR = timedelta(hours=1)


@dataclass(slots=True)
class Memory:
    failures: dict[StackRef, OperationResult] = field(default_factory=dict)
    failed_tries: dict[StackRef, int] = field(default_factory=dict)
    superseded: dict[StackRef, int] = field(default_factory=dict)
    first_seen: dict[Key, tuple[str, datetime]] = field(default_factory=dict)
    behind_since: dict[Key, datetime] = field(default_factory=dict)
    confirmed: dict[Key, tuple[PullRequest, datetime]] = field(default_factory=dict)
    destroyed: list[datetime] = field(default_factory=list)
    intents: dict[StackRef, Intent] = field(default_factory=dict)
    approved_plans: set[str] = field(default_factory=set)
    approved: set[str] = field(default_factory=set)

    def see(self, repositories: Mapping[int, RepositoryFacts], stacks: StackSnapshot, now: datetime) -> None:
        """Takes note of commits seen for the first time, and forgets what a whole reading no longer shows."""
        built = {parsed: record for ref, record in stacks.stacks.items() if (parsed := names.parse(ref))}
        for facts in repositories.values():
            for number, candidate in facts.candidates.items():
                self._see_candidate(candidate, built.get((facts.id, number)), now)
            if facts.complete:
                self._forget_pulls(facts)
        self.confirmed = {key: item for key, item in self.confirmed.items() if now - item[1] < CONFIRMED_FOR}
        self.intents = {ref: intent for ref, intent in self.intents.items() if now - intent.at < INTENTS_FOR}
        if stacks.complete:
            self._forget_stacks(stacks.stacks)

    def _see_candidate(self, candidate: Candidate, record: StackRecord | None, now: datetime) -> None:
        key, head = candidate.pull.key, candidate.pull.head_sha
        if self.first_seen.get(key, ("", now))[0] != head:
            self.first_seen[key] = (head, _first_look(record, head, now))
        if isinstance(candidate.recipe, Recipe) and _is_behind(candidate.recipe, record):
            self.behind_since.setdefault(key, now)
        else:
            self.behind_since.pop(key, None)

    def _forget_pulls(self, facts: RepositoryFacts) -> None:
        for remembered in (self.first_seen, self.behind_since):
            for key in [key for key in remembered if key.repository == facts.id and key.number not in facts.open]:
                del remembered[key]
        for key in [key for key in self.confirmed if key.repository == facts.id and key.number in facts.open]:
            del self.confirmed[key]

    def _forget_stacks(self, there: Mapping[StackRef, StackRecord]) -> None:
        """Failures of what was never made stay: they pace its next try. The rest goes with the stack."""
        for ref in [ref for ref, result in self.failures.items() if ref not in there and result.verb is Verb.DESTROY]:
            self._forget(ref)

    def _forget(self, ref: StackRef) -> None:
        for remembered in (self.failures, self.failed_tries, self.superseded, self.intents):
            remembered.pop(ref, None)

    def confirm(self, pull: PullRequest, now: datetime) -> None:
        self.confirmed[pull.key] = (pull, now)

    def ended(self, result: OperationResult, interrupted_for_newer: bool) -> None:
        """An operation's end: a success wipes the slate, a failure counts, an interrupt is neither."""
        ref = result.ref
        if result.outcome is Outcome.SUCCEEDED:
            if result.verb is not Verb.REFRESH:
                self._forget(ref)
            return
        if result.outcome is Outcome.CANCELLED:
            self.superseded[ref] = self.superseded.get(ref, 0) + int(interrupted_for_newer)
            return
        before = self.failures.get(ref)
        same = before is not None and (before.verb, before.commit) == (result.verb, result.commit)
        self.failed_tries[ref] = self.failed_tries.get(ref, 0) + 1 if same else 1
        self.failures[ref] = result
        if (intent := self.intents.get(ref)) is not None and intent.kind == "retry":
            del self.intents[ref]

    def recall(self, results: Iterable[OperationResult]) -> None:
        """The last results of an earlier life, so that a restart does not blank what people were told."""
        for result in results:
            if result.outcome is Outcome.FAILED:
                self.failures[result.ref] = result


def _first_look(record: StackRecord | None, head: str, now: datetime) -> datetime:
    """The tag remembers across restarts when its commit was first seen; TTL counts from there."""
    if record is not None and record.tag is not None and record.tag.commit == head:
        return record.tag.seen
    return now


def _is_behind(recipe: Recipe, record: StackRecord | None) -> bool:
    built = record.built if record is not None else None
    if built is None:
        return True
    return (built.commit, built.spec_digest) != (recipe.spec.source.commit, recipe.digest)
