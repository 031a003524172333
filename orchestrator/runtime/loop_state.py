"""What one life of ephd remembers between cycles. All of it may be lost: the next life sees the facts again.

Losing it costs at most a fresh debounce, a try counted anew, an approval to be given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from orchestrator.core.desired import image_pinning
from orchestrator.core.model.image_lookup import ImageLookup, ImageResult
from orchestrator.core.model.world import (
    TAG_INTENTS,
    CompletedRepair,
    Intent,
    IntentKind,
    PullRequest,
    Recipe,
    RepositoryFacts,
    Request,
)
from orchestrator.core.planning.plan_actions import Find
from orchestrator.core.suites.suite_results import SuiteResult, SuiteRun, SuiteRuns
from orchestrator.core.util.time_windows import is_within
from stacks import names
from stacks.model import Key, OperationResult, OperationVerb, Outcome, StackRecord, StackRef, StackSnapshot

CONFIRMED_TTL = timedelta(minutes=2)
INTENTS_TTL = timedelta(hours=1)
DESTROYS_TTL = timedelta(days=1)
"""Longer than any window that the guard looks at."""
APPROVED_TTL = timedelta(days=1)
REPAIRS_TTL = timedelta(days=1)
PLAN_APPROVAL_TTL = timedelta(hours=1)
"""An approval that no plan took up says nothing of the same set days later."""
T = TypeVar("T")


@dataclass(slots=True)
class LoopState:
    failures: dict[StackRef, OperationResult] = field(default_factory=dict)
    failed_attempts: dict[StackRef, int] = field(default_factory=dict)
    superseded: dict[StackRef, int] = field(default_factory=dict)
    first_seen: dict[Key, tuple[str, datetime]] = field(default_factory=dict)
    waiting_since: dict[Key, datetime] = field(default_factory=dict)
    image_lookups: dict[Key, ImageLookup] = field(default_factory=dict)
    """The last look for images; until a build begins with them, the only place where what was found stands."""
    confirmed: dict[Key, tuple[PullRequest, datetime]] = field(default_factory=dict)
    guarded_destroys: list[datetime] = field(default_factory=list)
    """When something went, or began to go, without the Git host stating it."""
    intents: dict[tuple[StackRef, IntentKind], Intent] = field(default_factory=dict)
    """The newest of each kind: a wish for more time must not hide the one to take it down."""
    completed_repairs: dict[StackRef, CompletedRepair] = field(default_factory=dict)
    suite_results: dict[StackRef, dict[str, SuiteResult]] = field(default_factory=dict)
    running_suites: dict[SuiteRun, datetime] = field(default_factory=dict)
    approved_plans: dict[str, datetime] = field(default_factory=dict)
    approved_destroys: dict[str, datetime] = field(default_factory=dict)

    def record_snapshot(
        self, repositories: Mapping[int, RepositoryFacts], stacks: StackSnapshot, now: datetime
    ) -> None:
        """Takes note of commits seen for the first time, and forgets what a whole reading no longer shows."""
        built = {parsed: record for ref, record in stacks.stacks.items() if (parsed := names.parse(ref))}
        for facts in repositories.values():
            for key, candidate in facts.requests.items():
                self._record_request(candidate, built.get(key), now)
        self._forget_pulls(repositories)
        self._forget_expired(now)
        if stacks.complete:
            self._forget_stacks(stacks.stacks, repositories)

    def suite_runs(self) -> SuiteRuns:
        """What is known of tests just now, as a value that stays so."""
        return SuiteRuns({ref: dict(results) for ref, results in self.suite_results.items()}, dict(self.running_suites))

    def add_intent(self, intent: Intent) -> None:
        self.intents[intent.ref, intent.kind] = intent

    def _record_request(self, request: Request, record: StackRecord | None, now: datetime) -> None:
        key, head = request.pull.key, request.pull.head_sha
        if self.first_seen.get(key, ("", now))[0] != head:
            self.first_seen[key] = (head, _first_seen_at(record, head, now))
        elif self.first_seen[key][1] > now:  # the clock was set back
            self.first_seen[key] = (head, now)
        if isinstance(request.recipe, Recipe) and _is_outdated(request.recipe, record):
            self.waiting_since[key] = min(self.waiting_since.get(key, now), now)
        else:
            self.waiting_since.pop(key, None)

    def _forget_pulls(self, repositories: Mapping[int, RepositoryFacts]) -> None:
        """A label that comes back starts the time anew. A repository that is not among them is not served any more:
        one that only failed still is."""
        for remembered in (self.first_seen, self.waiting_since, self.image_lookups):
            for key in [key for key in remembered if _is_forgotten(key, repositories)]:
                del remembered[key]
        for key in [key for key in self.confirmed if _is_open(key, repositories)]:
            del self.confirmed[key]

    def _forget_expired(self, now: datetime) -> None:
        self.confirmed = {key: item for key, item in self.confirmed.items() if is_within(item[1], CONFIRMED_TTL, now)}
        self.intents = {what: intent for what, intent in self.intents.items() if now - intent.at < INTENTS_TTL}
        self.guarded_destroys = [moment for moment in self.guarded_destroys if now - moment < DESTROYS_TTL]
        self.completed_repairs = {
            ref: mended for ref, mended in self.completed_repairs.items() if now - mended.at < REPAIRS_TTL
        }
        self.approved_destroys = _newer_than(self.approved_destroys, now, APPROVED_TTL)
        self.approved_plans = _newer_than(self.approved_plans, now, PLAN_APPROVAL_TTL)

    def _forget_stacks(
        self, existing: Mapping[StackRef, StackRecord], repositories: Mapping[int, RepositoryFacts]
    ) -> None:
        """Failures of what was never made pace its next try while it is wanted. The rest goes with the stack."""
        known = {*self.failures, *self.superseded, *(ref for ref, kind in self.intents if kind != IntentKind.RETRY)}
        for ref in known - existing.keys():
            failure = self.failures.get(ref)
            if not _is_wanted(ref, repositories) or (failure is not None and failure.verb is OperationVerb.DESTROY):
                self._forget(ref)

    def _forget(self, ref: StackRef) -> None:
        """All but a wish to try again: it may be about what comes next."""
        for remembered in (self.failures, self.failed_attempts, self.superseded):
            remembered.pop(ref, None)
        for kind in (IntentKind.DOWN, *TAG_INTENTS):
            self.intents.pop((ref, kind), None)

    def record_images(self, action: Find, results: Iterable[ImageResult], at: datetime) -> None:
        """What has a pin keeps it: a tag that is moved meanwhile changes nothing for this commit."""
        before = self.image_lookups.get(action.key)
        same = before is not None and before.commit == action.commit
        kept = {answer.name: answer for answer in (before.results if before and same else ()) if answer.pin}
        merged = {**{answer.name: answer for answer in results}, **kept}
        silent = any(answer.unreachable for answer in merged.values())
        troubles = (before.consecutive_errors if before and same else 0) + 1 if silent else 0
        self.image_lookups[action.key] = ImageLookup(
            action.commit, action.requests, action.since, at, tuple(merged.values()), troubles
        )

    def restore_image_waits(self, since: Mapping[StackRef, tuple[str, datetime]]) -> None:
        """Since when an earlier life looked for the images of which commit: a restart does not begin a wait anew."""
        for ref, (commit, moment) in since.items():
            key = names.parse(ref)
            if key is not None:
                self.image_lookups[key] = ImageLookup(commit, (), moment, moment)

    def confirm(self, pull: PullRequest, now: datetime) -> None:
        self.confirmed[pull.key] = (pull, now)

    def record_result(self, result: OperationResult, began: datetime, superseded: bool) -> None:
        """An operation's end: a success wipes the slate, a failure counts, an interrupt is neither.

        Only what people asked for before it ``began`` is done with it; what they asked for since is still to do.
        """
        match result.outcome:
            case Outcome.SUCCEEDED:
                self._record_success(result, began)
            case Outcome.CANCELLED:
                if superseded:
                    self.superseded[result.ref] = self.superseded.get(result.ref, 0) + 1
            case Outcome.FAILED:
                self._record_failure(result, began)
            case _:
                assert_never(result.outcome)

    def _record_success(self, result: OperationResult, began: datetime) -> None:
        ref = result.ref
        match result.verb:
            case OperationVerb.DESTROY:
                self._forget(ref)
            case OperationVerb.UP:
                for remembered in (self.failures, self.failed_attempts, self.superseded):
                    remembered.pop(ref, None)
                self._resolve_intents(ref, began, IntentKind.RETRY, *TAG_INTENTS)
            case OperationVerb.RETAG | OperationVerb.SLEEP | OperationVerb.WAKE:
                self._resolve_intents(
                    ref, began, *TAG_INTENTS, *((IntentKind.RETRY,) if result.verb is OperationVerb.WAKE else ())
                )
                if (failure := self.failures.get(ref)) is not None and failure.verb.skips_pulumi:
                    self._forget_failure(ref)
            case OperationVerb.REFRESH:
                return
            case _:
                assert_never(result.verb)

    def _record_failure(self, result: OperationResult, began: datetime) -> None:
        ref, before = result.ref, self.failures.get(result.ref)
        same = before is not None and (before.verb, before.commit) == (result.verb, result.commit)
        self.failed_attempts[ref] = self.failed_attempts.get(ref, 0) + 1 if same else 1
        self.failures[ref] = result
        self.superseded.pop(ref, None)  # it came to an end of its own, so the row of interruptions did too
        self._resolve_intents(ref, began, IntentKind.RETRY, IntentKind.WAKE)

    def _forget_failure(self, ref: StackRef) -> None:
        self.failures.pop(ref, None)
        self.failed_attempts.pop(ref, None)

    def _resolve_intents(self, ref: StackRef, began: datetime, *kinds: IntentKind) -> None:
        for kind in kinds:
            intent = self.intents.get((ref, kind))
            if intent is not None and intent.at <= began:
                del self.intents[ref, kind]

    def start_term(self, results: Iterable[OperationResult]) -> None:
        """A term of leading begins: what was noted in an earlier one may have been done with by another replica."""
        self.image_lookups.clear()
        for forgotten in (self.failures, self.failed_attempts, self.superseded, self.confirmed, self.intents):
            forgotten.clear()
        self.approved_plans.clear()
        self.approved_destroys.clear()
        self.guarded_destroys.clear()
        self.restore_failures(results)

    def restore_failures(self, results: Iterable[OperationResult]) -> None:
        """The last results of an earlier life, so that a restart does not blank what people were told."""
        for result in results:
            if result.outcome is Outcome.FAILED:
                self.failures[result.ref] = result


def _is_forgotten(key: Key, repositories: Mapping[int, RepositoryFacts]) -> bool:
    facts = repositories.get(key.repository)
    return facts is None or (facts.is_complete_for(key) and key not in facts.requests)


def _is_open(key: Key, repositories: Mapping[int, RepositoryFacts]) -> bool:
    facts = repositories.get(key.repository)
    return facts is not None and facts.is_complete_for(key) and key in facts.open


def _is_wanted(ref: StackRef, repositories: Mapping[int, RepositoryFacts]) -> bool:
    """A pull request that may still ask for it; one that could not be read may."""
    key = names.parse(ref)
    facts = repositories.get(key.repository) if key else None
    return key is not None and facts is not None and (not facts.is_complete_for(key) or key in facts.requests)


def _newer_than(moments: Mapping[T, datetime], now: datetime, age: timedelta) -> dict[T, datetime]:
    return {what: at for what, at in moments.items() if now - at < age}


def _first_seen_at(record: StackRecord | None, head: str, now: datetime) -> datetime:
    """The tag remembers across restarts when its commit was first seen; TTL counts from there."""
    if record is not None and record.tag is not None and record.tag.commit == head:
        return min(record.tag.seen, now)
    return now


def _is_outdated(recipe: Recipe, record: StackRecord | None) -> bool:
    built = record.built if record is not None else None
    return built is None or not image_pinning.is_as_built(recipe, built)
