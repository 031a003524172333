"""Tests against the URL (P4): which suites should run now, and how their state is shown. Pure.

A suite runs once for each commit, when the newest commit's environment is ready; one after the other in each
environment, in the order of the file, so that none disturbs another. A result is a fact of that commit; losing it
means running again. What runs goes on while its environment merely stumbles (its tests may be why), and ends with a new
commit, a refusal or a destroy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.junit import Report
from orchestrator.core.phases import Phase
from orchestrator.core.trials import Run, Trials, Verdict
from programs.spec import SuiteSpec
from stacks.model import StackRef

TRIES = 3
"""How often a suite is begun for one commit when nothing but interruptions end it."""
_GOES_ON = frozenset({Phase.READY, Phase.UNHEALTHY, Phase.STARTING})
_SHOWN = _GOES_ON | {Phase.ASLEEP}


@dataclass(frozen=True, slots=True)
class SuiteView:
    """``state``: waiting, running, passed, failed or skipped. ``since`` is when it began to run, or ended."""

    name: str
    kind: str
    state: str
    blocking: bool = True
    seconds: float = 0.0
    detail: str = ""
    tail: tuple[str, ...] = ()
    report: Report | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """An environment with suites, as the last cycle showed it."""

    ref: StackRef
    phase: Phase
    commit: str
    wanted_commit: str
    suites: Sequence[SuiteSpec]
    since: datetime | None = None

    @property
    def testable(self) -> bool:
        return self.phase is Phase.READY and bool(self.commit) and self.commit == self.wanted_commit


@dataclass(frozen=True, slots=True)
class Decision:
    """``skip`` comes with its reason."""

    start: tuple[Run, ...] = ()
    stop: tuple[Run, ...] = ()
    skip: Mapping[Run, str] = field(default_factory=dict)


def decide(places: Iterable[Place], trials: Trials, slots: int) -> Decision:
    """What to begin, at most ``slots`` at a time in all, and what to end."""
    known = {place.ref: place for place in places}
    stop = tuple(sorted(run for run in trials.running if not _goes_on(run, known.get(run.ref))))
    busy = {run.ref for run in trials.running}
    start: list[Run] = []
    skip: dict[Run, str] = {}
    for place in sorted(known.values(), key=_turn):
        if place.testable and place.ref not in busy:
            _next(place, trials, start, skip)
    return Decision(tuple(start[: max(0, slots - len(trials.running))]), stop, skip)


def _goes_on(run: Run, place: Place | None) -> bool:
    if place is None or place.phase not in _GOES_ON:
        return False
    named = any(suite.name == run.suite for suite in place.suites)
    return named and run.commit == place.commit == place.wanted_commit


def _turn(place: Place) -> tuple[float, StackRef]:
    """Who has been ready longest is first."""
    return place.since.timestamp() if place.since else 0.0, place.ref


def _next(place: Place, trials: Trials, start: list[Run], skip: dict[Run, str]) -> None:
    """The first suite without a result; those that cannot run because of another are skipped on the way."""
    passed: set[str] = set()
    for suite in place.suites:
        run = Run(place.ref, place.commit, suite.name)
        result = trials.result(run)
        if result is not None:
            passed |= {suite.name} if result.verdict is Verdict.PASSED else set()
            continue
        missing = [name for name in suite.needs if name not in passed]
        if missing:
            skip[run] = f"not run, because {missing[0]} did not pass"
            continue
        start.append(run)
        return


def shown(place: Place, trials: Trials) -> tuple[SuiteView, ...]:
    """Every suite of the newest commit, once that commit's environment stands."""
    if place.phase not in _SHOWN or not place.commit or place.commit != place.wanted_commit:
        return ()
    return tuple(_view(suite, Run(place.ref, place.commit, suite.name), trials) for suite in place.suites)


def _view(suite: SuiteSpec, run: Run, trials: Trials) -> SuiteView:
    result, began = trials.result(run), trials.running.get(run)
    if result is not None:
        return SuiteView(
            suite.name, suite.kind, result.verdict.value, suite.blocking, result.seconds, result.detail, result.tail,
            result.report, result.at,
        )  # fmt: skip
    return SuiteView(suite.name, suite.kind, "running" if began else "waiting", suite.blocking, since=began)


def failed(views: Iterable[SuiteView]) -> list[str]:
    """The blocking suites that failed: they turn the check red."""
    return [view.name for view in views if view.blocking and view.state == Verdict.FAILED]


def pending(views: Iterable[SuiteView]) -> list[str]:
    """The blocking suites that have not ended."""
    return [view.name for view in views if view.blocking and view.state in ("waiting", "running")]
