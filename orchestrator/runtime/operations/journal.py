"""Records events: of operations as they start and end, and of phases as they change.

Cycles run every few seconds and mostly repeat themselves, but the log should only contain changes. So phases, holds and
unreadable repositories are recorded when they change, and any other problem at most once an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from orchestrator.core import wording as core_wording
from orchestrator.core.model.world import CompletedRepair, RepositoryFacts
from orchestrator.core.planning import plan_actions
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.failure_views import IMAGE_STEP
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event, Ledger
from orchestrator.runtime import wording
from orchestrator.runtime.clock import Clock
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRef

_PHASE_EVENTS: Mapping[Phase, EventKind] = {
    Phase.QUEUED: EventKind.ENVIRONMENT_QUEUED,
    Phase.WAITING: EventKind.ENVIRONMENT_WAITING,
    Phase.IMAGE: EventKind.ENVIRONMENT_AWAITS_IMAGE,
    Phase.REFUSED: EventKind.ENVIRONMENT_REFUSED,
    Phase.READY: EventKind.ENVIRONMENT_READY,
    Phase.UNHEALTHY: EventKind.ENVIRONMENT_UNHEALTHY,
    Phase.STALLED: EventKind.ENVIRONMENT_STALLED,
    Phase.HELD: EventKind.ENVIRONMENT_HELD,
}
REPEAT_AFTER = timedelta(hours=1)
MAX_PROBLEMS = 200
RECALL_LIMIT = 1000
IMAGE_SINCE = "image_since"
"""In an event's data: since when Eph has been looking for the images of the event's ``commit``."""
GUARDED = "guarded"
"""In an event's data: marks a destroy that counts against the hourly limit."""

SECONDS, VERB, TARGET, STEP = "seconds", "verb", "target", "step"
"""In the data of an event that ends an operation."""


class Journal:
    """Writes to the ledger, which never raises. Each change of phase is recorded once."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._phases: dict[StackRef, tuple[Phase, str]] = {}
        self._problems: dict[str, datetime] = {}
        self._creating: set[StackRef] = set()
        self._incomplete: frozenset[str] = frozenset()
        self._held = ""

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    def record(self, kind: EventKind, message: str, subject: str = "", actor: str = "eph", **data: str) -> None:
        self._ledger.record(Event(kind, self._clock(), subject, message, actor, data))

    def started(self, action: plan_actions.Action, operation: Operation) -> None:
        match action:
            case plan_actions.Create(reason=reason):
                self._creating.add(operation.ref)
                self.record(EventKind.ENVIRONMENT_CREATING, reason, str(operation.ref))
            case plan_actions.Update(reason=reason):
                if action.repair_note:
                    self.record(EventKind.ENVIRONMENT_DRIFTED, reason, str(operation.ref))
                self.record(EventKind.ENVIRONMENT_UPDATING, reason, str(operation.ref))
            case plan_actions.Sleep(reason=reason):
                self.record(EventKind.ENVIRONMENT_SLEEPING, reason, str(operation.ref))
            case plan_actions.Wake(reason=reason):
                self.record(EventKind.ENVIRONMENT_WAKING, reason, str(operation.ref))
            case plan_actions.Destroy(reason=reason):
                counted = {GUARDED: "yes"} if action.guarded else {}
                self.record(EventKind.ENVIRONMENT_DESTROYING, reason, str(operation.ref), **counted)
            case _:
                return

    def ended(self, operation: Operation, result: OperationResult) -> None:
        subject = str(operation.ref)
        first = operation.ref in self._creating
        self._creating.discard(operation.ref)
        if result.outcome is Outcome.FAILED:
            message = wording.events.operation_failed(operation.verb, result.step, result.error)
            self.record(EventKind.ENVIRONMENT_FAILED, message, subject, **_measured(operation, result))
        elif result.outcome is Outcome.SUCCEEDED:
            self._succeeded(operation, result, first)

    def _succeeded(self, operation: Operation, result: OperationResult, created: bool) -> None:
        seconds = (result.ended - result.started).total_seconds()
        match operation.verb:
            case OperationVerb.UP:
                kind = EventKind.ENVIRONMENT_CREATED if created else EventKind.ENVIRONMENT_UPDATED
                message = wording.events.built(operation.commit, seconds)
            case OperationVerb.DESTROY:
                kind, message = EventKind.ENVIRONMENT_DESTROYED, wording.events.destroyed(seconds)
            case OperationVerb.SLEEP:
                kind, message = EventKind.ENVIRONMENT_SLEPT, wording.events.stopped(seconds)
            case OperationVerb.WAKE:
                kind, message = EventKind.ENVIRONMENT_WOKEN, wording.events.responding(seconds)
            case OperationVerb.RETAG if operation.tag is not None and operation.tag.extended_until is not None:
                kind, message = EventKind.ENVIRONMENT_EXTENDED, wording.events.extended(operation.tag.extended_until)
            case _:
                return
        self.record(kind, message, str(operation.ref), **_measured(operation, result))

    def repaired(self, ref: StackRef, repair: CompletedRepair) -> None:
        self.record(EventKind.ENVIRONMENT_REPAIRED, repair.sentence, str(ref), commit=repair.commit)

    def recall_repairs(self) -> dict[StackRef, CompletedRepair]:
        """Repairs recorded by earlier processes; none if the event log is unavailable."""
        told = [
            event for event in self._recent() if event.kind == EventKind.ENVIRONMENT_REPAIRED and "/" in event.subject
        ]
        return {
            StackRef(*event.subject.split("/", 1)): CompletedRepair(
                event.at, event.data.get("commit", ""), event.message
            )
            for event in told
        }

    def recall_image_waits(self) -> dict[StackRef, tuple[str, datetime]]:
        """The commits for whose images earlier processes waited, and since when."""
        found: dict[StackRef, tuple[str, datetime]] = {}
        for event in self._recent():
            if event.data.get(IMAGE_SINCE) and "/" in event.subject:
                since = datetime.fromisoformat(event.data[IMAGE_SINCE])
                found[StackRef(*event.subject.split("/", 1))] = (event.data.get("commit", ""), since)
        return found

    def recall_guarded_destroys(self) -> list[datetime]:
        """When earlier processes destroyed something that counts against the hourly limit, so that a restart doesn't
        reset it. A retried destroy counts once."""
        first: dict[str, datetime] = {}
        for event in self._recent():
            if event.data.get(GUARDED):
                first.setdefault(event.subject or event.message, event.at)
        return sorted(first.values())

    def _recent(self) -> list[Event]:
        """The newest events of earlier processes; none if the event log is unavailable."""
        try:
            return self._ledger.events(limit=RECALL_LIMIT, newest=True)
        except Exception:  # noqa: BLE001 - losing it loses a line of a comment, never a start
            return []

    def interrupted(self, action: plan_actions.Interrupt) -> None:
        self.record(EventKind.OPERATION_INTERRUPTED, action.reason, str(action.ref))

    def purged(self, action: plan_actions.Purge) -> None:
        self.record(EventKind.SWEEP_REMOVED, f"{action.target}:{action.name}: {action.reason}", **{GUARDED: "yes"})

    def expired(self, action: plan_actions.Expire) -> None:
        self.record(EventKind.ENVIRONMENT_EXPIRED, action.reason, str(action.ref))

    def record_problem(self, message: str) -> None:
        """Record a problem at most once an hour, so that frequent cycles don't flood the log."""
        now = self._clock()
        said = self._problems.get(message)
        if said is not None and now - said < REPEAT_AFTER:
            return
        if len(self._problems) >= MAX_PROBLEMS:
            self._problems.clear()
        self._problems[message] = now
        self.record(EventKind.CYCLE_FAILED, message)

    def record_repositories(self, repositories: Iterable[RepositoryFacts], held_note: str) -> None:
        """Record changes of which repositories are incomplete, and of the guard's note."""
        unread = {facts.full_name: facts.reason for facts in repositories if not facts.complete}
        for name in sorted(unread.keys() - self._incomplete):
            self.record(EventKind.FORGE_INCOMPLETE, core_wording.limits.note_repository(name, unread[name]))
        for name in sorted(self._incomplete - unread.keys()):
            self.record(EventKind.FORGE_RECOVERED, wording.events.repository_recovered(name))
        self._incomplete = frozenset(unread)
        if held_note and held_note != self._held:
            self.record(EventKind.PLAN_HELD, held_note)
        self._held = held_note

    def record_phases(self, views: Iterable[EnvironmentView]) -> None:
        """Record environments whose phase changed since the last cycle."""
        phases = {}
        for view in views:
            now = (view.phase, view.wanted_commit)
            phases[view.ref] = now
            kind = EventKind.ENVIRONMENT_WITHOUT_IMAGE if _lacks_image(view) else _PHASE_EVENTS.get(view.phase)
            if kind is not None and self._phases.get(view.ref) != now:
                self.record(kind, view.reasons[0] if view.reasons else "", str(view.ref), **_image_wait(view))
        self._phases = phases


def _measured(operation: Operation, result: OperationResult) -> dict[str, str]:
    seconds = (result.ended - result.started).total_seconds()
    return {SECONDS: f"{seconds:.1f}", VERB: str(operation.verb), TARGET: operation.target, STEP: result.step}


def _lacks_image(view: EnvironmentView) -> bool:
    return view.phase is Phase.FAILED and view.failure is not None and view.failure.step == IMAGE_STEP


def _image_wait(view: EnvironmentView) -> dict[str, str]:
    waits = view.phase is Phase.IMAGE or _lacks_image(view)
    return {"commit": view.wanted_commit, IMAGE_SINCE: view.since.isoformat()} if waits and view.since else {}
