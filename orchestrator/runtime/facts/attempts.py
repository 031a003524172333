"""How the last operations on each stack ended: the failure, how often it was repeated, how often it was superseded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks.model import OperationResult, OperationVerb, Outcome, StackRef


@dataclass(slots=True)
class AttemptHistory:
    """``failed`` counts consecutive failures of the same operation, ``superseded`` consecutive interruptions by a newer
    commit."""

    failures: dict[StackRef, OperationResult] = field(default_factory=dict)
    failed: dict[StackRef, int] = field(default_factory=dict)
    superseded: dict[StackRef, int] = field(default_factory=dict)

    def record_result(self, result: OperationResult, superseded: bool) -> None:
        """A success clears the history, a failure counts, an interruption counts if a newer commit caused it."""
        match result.outcome:
            case Outcome.SUCCEEDED:
                self._record_success(result)
            case Outcome.CANCELLED:
                if superseded:
                    self.superseded[result.ref] = self.superseded.get(result.ref, 0) + 1
            case Outcome.FAILED:
                self._record_failure(result)
            case _:
                assert_never(result.outcome)

    def failed_destroys(self) -> frozenset[StackRef]:
        return frozenset(ref for ref, failure in self.failures.items() if failure.verb is OperationVerb.DESTROY)

    def forget(self, current: CurrentRecords) -> None:
        for ref in self.failures.keys() | self.superseded.keys():
            if current.has_ended(ref):
                self._clear(ref)

    def start_term(self, recalled: RecalledFacts) -> None:
        """Keeps showing the last failure of each stack after a restart."""
        self.failures = {result.ref: result for result in recalled.results if result.outcome is Outcome.FAILED}
        self.failed.clear()
        self.superseded.clear()

    def _record_success(self, result: OperationResult) -> None:
        ref = result.ref
        match result.verb:
            case OperationVerb.DESTROY | OperationVerb.UP:
                self._clear(ref)
            case OperationVerb.RETAG | OperationVerb.SLEEP | OperationVerb.WAKE:
                # Writing the tag says nothing about why a build failed.
                if (failure := self.failures.get(ref)) is not None and failure.verb.skips_pulumi:
                    self.failures.pop(ref, None)
                    self.failed.pop(ref, None)
            case OperationVerb.REFRESH:
                return
            case _:
                assert_never(result.verb)

    def _record_failure(self, result: OperationResult) -> None:
        ref, before = result.ref, self.failures.get(result.ref)
        same = before is not None and (before.verb, before.commit) == (result.verb, result.commit)
        self.failed[ref] = self.failed.get(ref, 0) + 1 if same else 1
        self.failures[ref] = result
        self.superseded.pop(ref, None)  # It ran to its end, so the series of interruptions is over.

    def _clear(self, ref: StackRef) -> None:
        for remembered in (self.failures, self.failed, self.superseded):
            remembered.pop(ref, None)
