"""What people asked for and no operation has completed yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from orchestrator.core.model.world import TAG_INTENTS, Intent, IntentKind
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks.model import OperationResult, OperationVerb, Outcome, StackRef

INTENT_TTL = timedelta(hours=1)


class PendingIntents:
    """The newest of each kind for each stack: a request for more time must not hide one to destroy."""

    def __init__(self) -> None:
        self._intents: dict[tuple[StackRef, IntentKind], Intent] = {}

    def add(self, intent: Intent) -> None:
        self._intents[intent.ref, intent.kind] = intent

    def all(self) -> tuple[Intent, ...]:
        return tuple(self._intents.values())

    def record_result(self, result: OperationResult, began: datetime, *, resets: bool = False) -> None:
        """An operation completes only what was requested before it ``began``. ``resets``: it reset databases. If it
        failed after that, they are created again like anything that was lost."""
        if resets and result.outcome is not Outcome.CANCELLED:
            self._complete(result.ref, began, IntentKind.RESET_DATABASE)
        match result.outcome:
            case Outcome.SUCCEEDED:
                self._record_success(result, began)
            case Outcome.FAILED:
                self._complete(result.ref, began, IntentKind.RETRY, IntentKind.WAKE)
            case Outcome.CANCELLED:
                return
            case _:
                assert_never(result.outcome)

    def forget(self, current: CurrentRecords) -> None:
        self._intents = {
            key: intent
            for key, intent in self._intents.items()
            if current.now - intent.at < INTENT_TTL
            and not (_ends_with_stack(intent) and current.has_ended(intent.ref))
            and not _is_recorded(intent, current)
        }

    def start_term(self, _: RecalledFacts, /) -> None:
        self._intents.clear()

    def _record_success(self, result: OperationResult, began: datetime) -> None:
        match result.verb:
            case OperationVerb.DESTROY:
                self._intents = {
                    key: intent
                    for key, intent in self._intents.items()
                    if intent.ref != result.ref or not _ends_with_stack(intent)
                }
            case OperationVerb.UP | OperationVerb.WAKE:
                self._complete(result.ref, began, IntentKind.RETRY, *TAG_INTENTS)
            case OperationVerb.RETAG | OperationVerb.SLEEP:
                self._complete(result.ref, began, *TAG_INTENTS)
            case OperationVerb.REFRESH:
                return
            case _:
                assert_never(result.verb)

    def _complete(self, ref: StackRef, began: datetime, *kinds: IntentKind) -> None:
        for kind in kinds:
            intent = self._intents.get((ref, kind))
            if intent is not None and intent.at <= began:
                del self._intents[ref, kind]


def _ends_with_stack(intent: Intent) -> bool:
    """All but a retry, which may be about the stack that comes next."""
    return intent.kind is not IntentKind.RETRY


def _is_recorded(intent: Intent, current: CurrentRecords) -> bool:
    """Whether the stack has the variables that the request is about. An operation that ended proves nothing: it may
    have begun without them."""
    record = current.stacks.stacks.get(intent.ref)
    return intent.variables is not None and record is not None and record.variables == intent.variables.sealed
