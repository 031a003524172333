"""Tests against the URL (P4): which suites should run now, and how they are shown. Pure.

A suite runs once per commit, when the newest commit's environment is ready. In each environment, suites run one after
the other, in the order of the file, so that they don't disturb each other. A lost result means that the suite runs
again. A suite keeps running while its environment is unhealthy (maybe because of the tests), and is stopped by a new
commit, a refusal or a destroy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.suites.junit import JUnitReport
from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteRun, SuiteRuns, SuiteState
from orchestrator.core.views.phases import Phase
from programs.spec import SuiteSpec
from stacks.model import StackRef

MAX_ATTEMPTS = 3
"""How often a suite is started for one commit if it is interrupted each time."""
_KEEPS_RUNNING = frozenset({Phase.READY, Phase.UNHEALTHY, Phase.STARTING})
_VISIBLE = _KEEPS_RUNNING | {Phase.ASLEEP}


@dataclass(frozen=True, slots=True)
class SuiteView:
    """``since`` is when it started or ended."""

    name: str
    kind: str
    state: SuiteState
    blocking: bool = True
    seconds: float = 0.0
    detail: str = ""
    tail: tuple[str, ...] = ()
    report: JUnitReport | None = None
    since: datetime | None = None
    screenshots: int = 0


@dataclass(frozen=True, slots=True)
class SuiteEnvironment:
    """An environment with suites, as of the last cycle."""

    ref: StackRef
    phase: Phase
    commit: str
    wanted_commit: str
    suites: Sequence[SuiteSpec]
    since: datetime | None = None

    @property
    def is_testable(self) -> bool:
        return self.phase is Phase.READY and bool(self.commit) and self.commit == self.wanted_commit


@dataclass(frozen=True, slots=True)
class SuiteDecision:
    """``skip`` comes with its reason."""

    start: tuple[SuiteRun, ...] = ()
    stop: tuple[SuiteRun, ...] = ()
    skip: Mapping[SuiteRun, str] = field(default_factory=dict)


def decide(environments: Iterable[SuiteEnvironment], suite_runs: SuiteRuns, slots: int) -> SuiteDecision:
    """Which suites to start (at most ``slots`` run in total) and which to stop."""
    known = {place.ref: place for place in environments}
    stop = tuple(sorted(run for run in suite_runs.running if not _should_continue(run, known.get(run.ref))))
    busy = {run.ref for run in suite_runs.running}
    start: list[SuiteRun] = []
    skip: dict[SuiteRun, str] = {}
    for place in sorted(known.values(), key=_priority):
        if place.is_testable and place.ref not in busy:
            _select_next(place, suite_runs, start, skip)
    return SuiteDecision(tuple(start[: max(0, slots - len(suite_runs.running))]), stop, skip)


def _should_continue(run: SuiteRun, environment: SuiteEnvironment | None) -> bool:
    if environment is None or environment.phase not in _KEEPS_RUNNING:
        return False
    named = any(suite.name == run.suite for suite in environment.suites)
    return named and run.commit == environment.commit == environment.wanted_commit


def _priority(environment: SuiteEnvironment) -> tuple[float, StackRef]:
    """Environments that have been ready longest come first."""
    return environment.since.timestamp() if environment.since else 0.0, environment.ref


def _select_next(
    environment: SuiteEnvironment, suite_runs: SuiteRuns, start: list[SuiteRun], skip: dict[SuiteRun, str]
) -> None:
    """Select the first suite without a result. Skip suites whose dependencies didn't pass."""
    passed: set[str] = set()
    for suite in environment.suites:
        run = SuiteRun(environment.ref, environment.commit, suite.name)
        result = suite_runs.result(run)
        if result is not None:
            passed |= {suite.name} if result.outcome is SuiteOutcome.PASSED else set()
            continue
        missing = [name for name in suite.needs if name not in passed]
        if missing:
            skip[run] = wording.suites.needs_failed(missing[0])
            continue
        start.append(run)
        return


def suite_views(environment: SuiteEnvironment, suite_runs: SuiteRuns) -> tuple[SuiteView, ...]:
    """Every suite of the newest commit, once its environment exists."""
    if environment.phase not in _VISIBLE or not environment.commit or environment.commit != environment.wanted_commit:
        return ()
    return tuple(
        _view(suite, SuiteRun(environment.ref, environment.commit, suite.name), suite_runs)
        for suite in environment.suites
    )


def _view(suite: SuiteSpec, run: SuiteRun, suite_runs: SuiteRuns) -> SuiteView:
    result, began = suite_runs.result(run), suite_runs.running.get(run)
    if result is not None:
        return SuiteView(
            suite.name, suite.kind, SuiteState(result.outcome), suite.blocking, result.seconds, result.detail,
            result.tail, result.report, result.at, result.screenshots,
        )  # fmt: skip
    return SuiteView(
        suite.name, suite.kind, SuiteState.RUNNING if began else SuiteState.WAITING, suite.blocking, since=began
    )


def failed_suites(views: Iterable[SuiteView]) -> list[str]:
    """The blocking suites that failed; they fail the check."""
    return [view.name for view in views if view.blocking and view.state is SuiteState.FAILED]


def pending_suites(views: Iterable[SuiteView]) -> list[str]:
    """The blocking suites that haven't ended."""
    return [view.name for view in views if view.blocking and view.state in (SuiteState.WAITING, SuiteState.RUNNING)]
