"""Measures how long people wait: for a URL, in the queue, for each operation; and counts failures.

The numbers are those of this process since its start, as Prometheus expects. Nothing depends on them. An environment
that was already on its way when this process started has no known beginning, so its waiting time isn't counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from orchestrator.core.costs.accounts import CostGrowth
from orchestrator.core.costs.cost_reports import CostRow
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event
from orchestrator.runtime import wording
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.operations import journal
from stacks.model import OperationVerb, Outcome, StackRef

SECONDS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
WHERE = ("target", "repository")
MAX_KINDS = 40
OTHER = "other"
_ENDED: Mapping[str, Outcome] = {
    EventKind.ENVIRONMENT_CREATED: Outcome.SUCCEEDED,
    EventKind.ENVIRONMENT_UPDATED: Outcome.SUCCEEDED,
    EventKind.ENVIRONMENT_SLEPT: Outcome.SUCCEEDED,
    EventKind.ENVIRONMENT_WOKEN: Outcome.SUCCEEDED,
    EventKind.ENVIRONMENT_DESTROYED: Outcome.SUCCEEDED,
    EventKind.ENVIRONMENT_FAILED: Outcome.FAILED,
}
_NOTHING_AWAITED = frozenset(
    {Phase.READY, Phase.UNHEALTHY, Phase.ASLEEP, Phase.EXPIRED, Phase.DESTROYING, Phase.DESTROYED, Phase.HELD}
)
"""Phases in which no URL of a new commit is awaited."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series per series, which nobody reads


@dataclass(frozen=True, slots=True)
class _Wait:
    """``since`` None: it had begun before this process could see it."""

    commit: str
    since: datetime | None


class Meter:
    """``on_event`` and ``on_cycle`` are called by the loop. ``registry`` is what a scrape reads, in any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._ready = self._histogram("eph_ready_seconds", wording.metrics.READY)
        self._queued = self._histogram("eph_queue_wait_seconds", wording.metrics.QUEUE_WAIT)
        self._operations = self._histogram("eph_operation_seconds", wording.metrics.OPERATION, "verb", "outcome")
        labels = (*WHERE, "verb", "step")
        self._failures = Counter("eph_failures", wording.metrics.FAILURES, labels, registry=self.registry)
        self._cost_spent = Counter("eph_cost_spent_dollars", wording.metrics.COST_SPENT, WHERE, registry=self.registry)
        per_strategy = (*WHERE, "strategy")
        self._cost_saved = Counter(
            "eph_cost_saved_dollars", wording.metrics.COST_SAVED, per_strategy, registry=self.registry
        )
        self._kinds: set[str] = set()
        self._places: set[tuple[str, str]] = set()
        self._repositories: dict[str, str] = {}
        self._awaited: dict[StackRef, _Wait] = {}
        self._has_begun = False
        self._waiting: dict[StackRef, datetime] = {}

    def _histogram(self, name: str, text: str, *more: str) -> Histogram:
        return Histogram(name, text, (*WHERE, *more), buckets=SECONDS, registry=self.registry)

    def on_event(self, event: Event) -> None:
        outcome, seconds = _ENDED.get(event.kind), event.data.get(journal.SECONDS)
        if outcome is None or seconds is None:
            return
        where = (event.data[journal.TARGET], self._repositories.get(event.subject, ""))
        self._operations.labels(*where, event.data[journal.VERB], outcome).observe(float(seconds))
        if outcome is Outcome.FAILED:
            self._failures.labels(*where, event.data[journal.VERB], self._kind(event.data[journal.STEP])).inc()

    def on_cost(self, row: CostRow, growth: CostGrowth) -> None:
        self._cost_spent.labels(row.target, row.repository).inc(float(growth.spent))
        for strategy, amount in growth.saved.items():
            self._cost_saved.labels(row.target, row.repository, strategy.value).inc(float(amount))

    def _kind(self, step: str) -> str:
        """``build`` of ``build web``. Repositories choose the words, so there is a limit to how many count apart."""
        kind = step.partition(" ")[0] or OTHER
        if len(self._kinds) < MAX_KINDS:
            self._kinds.add(kind)
        return kind if kind in self._kinds else OTHER

    def start_term(self) -> None:
        """What waited while another replica led has no known beginning."""
        self._awaited, self._waiting, self._has_begun = {}, {}, False

    def on_cycle(self, result: CycleResult) -> None:
        if result.at is None:
            return
        self._repositories = {str(view.ref): view.repository for view in result.views}
        for place in {(view.target, view.repository) for view in result.views} - self._places:
            self._create_series(place)
        self._measure_ready(result.views, result.at)
        self._measure_queue(result.views, result.at)

    def _create_series(self, place: tuple[str, str]) -> None:
        """At zero, because Prometheus doesn't see the first increase of a series that starts at one."""
        self._places.add(place)
        self._ready.labels(*place)
        self._queued.labels(*place)
        for verb in (OperationVerb.UP, OperationVerb.SLEEP, OperationVerb.WAKE, OperationVerb.DESTROY):
            for outcome in (Outcome.SUCCEEDED, Outcome.FAILED):
                self._operations.labels(*place, verb, outcome)

    def _measure_ready(self, views: tuple[EnvironmentView, ...], now: datetime) -> None:
        awaited = dict[StackRef, _Wait]()
        for view in views:
            known = self._awaited.get(view.ref)
            if view.phase is Phase.READY and known is not None and known.commit == view.commit and known.since:
                self._ready.labels(view.target, view.repository).observe((now - known.since).total_seconds())
            if view.phase in _NOTHING_AWAITED or not view.wanted_commit:
                continue
            is_new = known is not None and known.commit != view.wanted_commit
            began = now if self._has_begun else None
            awaited[view.ref] = _Wait(view.wanted_commit, began) if known is None or is_new else known
        self._awaited, self._has_begun = awaited, True

    def _measure_queue(self, views: tuple[EnvironmentView, ...], now: datetime) -> None:
        queued = {view.ref: view for view in views if view.phase is Phase.QUEUED}
        for view in views:
            since = self._waiting.get(view.ref)
            if since is not None and view.ref not in queued:
                self._queued.labels(view.target, view.repository).observe((now - since).total_seconds())
        self._waiting = {ref: self._waiting.get(ref, now) for ref in queued}
