"""Which suites of tests should run now, which should end, and what is shown of them: P4, L6, S2."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core.suites import suite_plan
from orchestrator.core.suites.suite_plan import SuiteEnvironment
from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteResult, SuiteRun, SuiteRuns
from orchestrator.core.views.phases import Phase
from programs.spec import CommandSpec, SuiteSpec
from stacks import keys, names
from tests.worlds.plan.pull_requests import START, sha

REF, OTHER = (names.stack_ref(keys.pull_request(8, number), "acme/shop") for number in (1, 2))
A, B = sha("a"), sha("b")
UNIT = SuiteSpec("unit", CommandSpec("make test"))
BROWSER = SuiteSpec("browser", CommandSpec("npx playwright"), needs=("unit",))
SCAN = SuiteSpec("scan", CommandSpec("scan"), blocking=False)
READY = SuiteEnvironment(REF, Phase.READY, A, A, (UNIT, BROWSER, SCAN), START)


def result_of(verdict: SuiteOutcome, suite: str = "unit", commit: str = A) -> SuiteResult:
    return SuiteResult(suite, commit, verdict, START, 1.5)


def suite_state(*results: SuiteResult, running: tuple[str, ...] = ()) -> SuiteRuns:
    return SuiteRuns({REF: {each.suite: each for each in results}}, {SuiteRun(REF, A, name): START for name in running})


def suites_to_start(trials: SuiteRuns, *environments: SuiteEnvironment, slots: int = 2) -> list[str]:
    return [run.suite for run in suite_plan.decide(environments or (READY,), trials, slots).start]


def test_suites_of_an_environment_run_one_after_the_other_in_their_order() -> None:
    assert suites_to_start(suite_state()) == ["unit"]
    assert suites_to_start(suite_state(running=("unit",))) == []
    assert suites_to_start(suite_state(result_of(SuiteOutcome.PASSED))) == ["browser"]
    everything = [result_of(SuiteOutcome.PASSED, name) for name in ("unit", "browser", "scan")]
    assert suites_to_start(suite_state(*everything)) == [], "once for each commit"


def test_a_suite_whose_dependency_didnt_pass_is_skipped_with_a_reason() -> None:
    for verdict in (SuiteOutcome.FAILED, SuiteOutcome.SKIPPED):
        decision = suite_plan.decide([READY], suite_state(result_of(verdict)), 2)
        assert decision.skip == {SuiteRun(REF, A, "browser"): "skipped because unit didn't pass"}
        assert [run.suite for run in decision.start] == ["scan"], "and the next goes on"


def test_a_result_of_another_commit_says_nothing() -> None:
    assert suites_to_start(suite_state(result_of(SuiteOutcome.PASSED, commit=B))) == ["unit"]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.READY])
def test_nothing_begins_unless_the_newest_commit_is_ready(phase: Phase) -> None:
    assert suites_to_start(suite_state(), replace(READY, phase=phase)) == []


def test_nothing_begins_for_a_commit_that_is_not_the_newest() -> None:
    assert suites_to_start(suite_state(), replace(READY, wanted_commit=B)) == []


def test_a_few_at_a_time_over_all_and_the_longest_ready_first() -> None:
    later = replace(READY, ref=OTHER, since=START + timedelta(minutes=1))
    assert [run.ref for run in suite_plan.decide([later, READY], SuiteRuns(), 1).start] == [REF]
    assert [run.ref for run in suite_plan.decide([later, READY], SuiteRuns(), 2).start] == [REF, OTHER]
    busy = SuiteRuns(running={SuiteRun(REF, A, "unit"): START})
    assert suite_plan.decide([later, READY], busy, 1).start == ()


@pytest.mark.parametrize(
    ("place", "goes_on"),
    [
        (READY, True),
        (replace(READY, phase=Phase.UNHEALTHY), True),  # its tests may be why
        (replace(READY, wanted_commit=B), False),
        (replace(READY, commit=B, wanted_commit=B), False),
        (replace(READY, phase=Phase.UPDATING), False),
        (replace(READY, phase=Phase.REFUSED), False),
        (replace(READY, phase=Phase.DESTROYING), False),
        (replace(READY, suites=(SCAN,)), False),
        (None, False),
    ],
)
def test_what_runs_ends_with_its_commit_and_its_environment(place: SuiteEnvironment | None, goes_on: bool) -> None:
    stop = suite_plan.decide([place] if place else [], suite_state(running=("unit",)), 2).stop
    assert stop == (() if goes_on else (SuiteRun(REF, A, "unit"),))


def test_what_is_shown_is_of_the_newest_commit_alone() -> None:
    trials = suite_state(result_of(SuiteOutcome.FAILED), running=("scan",))
    shown = suite_plan.suite_views(READY, trials)
    assert [(each.name, each.state) for each in shown] == [
        ("unit", "failed"), ("browser", "waiting"), ("scan", "running"),
    ]  # fmt: skip
    assert suite_plan.failed_suites(shown) == ["unit"]
    assert suite_plan.pending_suites(shown) == ["browser"], "a scan that does not block is waited for by nobody"
    assert suite_plan.suite_views(replace(READY, wanted_commit=B), trials) == ()
    assert suite_plan.suite_views(replace(READY, phase=Phase.DESTROYING), trials) == ()
