"""Results of test suites as values: which ran on which commit, how they ended, and which are running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.core.suites.junit import JUnitReport
from stacks.model import StackRef


class SuiteOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class SuiteState(StrEnum):
    """The state of a suite on one commit."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """How a suite ended on one commit. ``detail`` is one sentence, ``tail`` its last lines; both without secrets."""

    suite: str
    commit: str
    outcome: SuiteOutcome
    at: datetime
    seconds: float = 0.0
    detail: str = ""
    tail: tuple[str, ...] = ()
    report: JUnitReport | None = None
    screenshots: int = 0
    """How many are kept."""


@dataclass(frozen=True, slots=True, order=True)
class SuiteRun:
    """One suite of one commit of one environment."""

    ref: StackRef
    commit: str
    suite: str


@dataclass(frozen=True, slots=True)
class SuiteRuns:
    """Results by environment and suite, and the start times of running suites."""

    results: Mapping[StackRef, Mapping[str, SuiteResult]] = field(default_factory=dict)
    running: Mapping[SuiteRun, datetime] = field(default_factory=dict)

    def result(self, run: SuiteRun) -> SuiteResult | None:
        found = self.results.get(run.ref, {}).get(run.suite)
        return found if found is not None and found.commit == run.commit else None
