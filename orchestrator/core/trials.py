"""What is known of a repository's tests as values: which ran on which commit, how they ended, and which run now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.core.junit import Report
from stacks.model import StackRef


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """How a suite ended on one commit. ``detail`` is one sentence, ``tail`` its last lines; neither holds a secret."""

    suite: str
    commit: str
    verdict: Verdict
    at: datetime
    seconds: float = 0.0
    detail: str = ""
    tail: tuple[str, ...] = ()
    report: Report | None = None


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """One suite of one commit of one environment."""

    ref: StackRef
    commit: str
    suite: str


@dataclass(frozen=True, slots=True)
class Trials:
    """What is known of suites: results by environment and name, and when what runs began."""

    results: Mapping[StackRef, Mapping[str, Result]] = field(default_factory=dict)
    running: Mapping[Run, datetime] = field(default_factory=dict)

    def result(self, run: Run) -> Result | None:
        found = self.results.get(run.ref, {}).get(run.suite)
        return found if found is not None and found.commit == run.commit else None
