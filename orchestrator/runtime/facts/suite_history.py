"""Results of test suites, and the suites that run now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteResult, SuiteRun, SuiteRuns
from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts
from stacks.model import StackRef


@dataclass(slots=True)
class SuiteHistory:
    """``loaded`` are the stacks whose results were read from the event log; ``attempts`` counts starts of a run."""

    results: dict[StackRef, dict[str, SuiteResult]] = field(default_factory=dict)
    running: dict[SuiteRun, datetime] = field(default_factory=dict)
    loaded: set[StackRef] = field(default_factory=set)
    attempts: Counter[SuiteRun] = field(default_factory=Counter)

    def runs(self) -> SuiteRuns:
        """A copy, which later results don't change."""
        return SuiteRuns({ref: dict(results) for ref, results in self.results.items()}, dict(self.running))

    def is_running(self, ref: StackRef) -> bool:
        return any(run.ref == ref for run in self.running)

    def record(self, ref: StackRef, result: SuiteResult) -> None:
        self.results.setdefault(ref, {})[result.suite] = result

    def load(self, ref: StackRef, results: Mapping[str, SuiteResult]) -> None:
        """Results from the event log; one that came in meanwhile is newer."""
        self.results[ref] = {**results, **self.results.get(ref, {})}
        self.loaded.add(ref)

    def reset(self, ref: StackRef) -> None:
        """Keeps only what passed, so that everything else runs again."""
        results = self.results.get(ref, {})
        self.results[ref] = {name: result for name, result in results.items() if result.outcome is SuiteOutcome.PASSED}
        self._forget_attempts({ref})

    def forget(self, current: CurrentRecords) -> None:
        known = self.results.keys() | self.loaded | {run.ref for run in self.attempts}
        ended = {ref for ref in known if current.has_ended(ref)}
        self.loaded -= ended
        self._forget_attempts(ended)
        for ref in ended:
            self.results.pop(ref, None)

    def start_term(self, _: RecalledFacts, /) -> None:
        """Reads results again: another replica may have led meanwhile. What runs here keeps running."""
        self.results.clear()
        self.loaded.clear()
        self.attempts.clear()

    def _forget_attempts(self, refs: set[StackRef]) -> None:
        for run in [run for run in self.attempts if run.ref in refs]:
            del self.attempts[run]
