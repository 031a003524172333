"""Which suites of tests should run now, which should end, and what is shown of them: P4, L6, S2."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core import suites
from orchestrator.core.phases import Phase
from orchestrator.core.suites import Place
from orchestrator.core.trials import Result, Run, Trials, Verdict
from programs.spec import Command, SuiteSpec
from stacks import names
from tests.core.pulls import START, sha

REF, OTHER = (names.stack_ref(8, "acme/shop", number) for number in (1, 2))
A, B = sha("a"), sha("b")
UNIT = SuiteSpec("unit", Command("make test"))
BROWSER = SuiteSpec("browser", Command("npx playwright"), needs=("unit",))
SCAN = SuiteSpec("scan", Command("scan"), blocking=False)
READY = Place(REF, Phase.READY, A, A, (UNIT, BROWSER, SCAN), START)


def ended(verdict: Verdict, suite: str = "unit", commit: str = A) -> Result:
    return Result(suite, commit, verdict, START, 1.5)


def known(*results: Result, running: tuple[str, ...] = ()) -> Trials:
    return Trials({REF: {each.suite: each for each in results}}, {Run(REF, A, name): START for name in running})


def started(trials: Trials, *places: Place, slots: int = 2) -> list[str]:
    return [run.suite for run in suites.decide(places or (READY,), trials, slots).start]


def test_suites_of_an_environment_run_one_after_the_other_in_their_order() -> None:
    assert started(known()) == ["unit"]
    assert started(known(running=("unit",))) == []
    assert started(known(ended(Verdict.PASSED))) == ["browser"]
    everything = [ended(Verdict.PASSED, name) for name in ("unit", "browser", "scan")]
    assert started(known(*everything)) == [], "once for each commit"


def test_what_needs_one_that_did_not_pass_is_skipped_with_its_reason() -> None:
    for verdict in (Verdict.FAILED, Verdict.SKIPPED):
        decision = suites.decide([READY], known(ended(verdict)), 2)
        assert decision.skip == {Run(REF, A, "browser"): "not run, because unit did not pass"}
        assert [run.suite for run in decision.start] == ["scan"], "and the next goes on"


def test_a_result_of_another_commit_says_nothing() -> None:
    assert started(known(ended(Verdict.PASSED, commit=B))) == ["unit"]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.READY])
def test_nothing_begins_unless_the_newest_commit_is_ready(phase: Phase) -> None:
    assert started(known(), replace(READY, phase=phase)) == []


def test_nothing_begins_for_a_commit_that_is_not_the_newest() -> None:
    assert started(known(), replace(READY, wanted_commit=B)) == []


def test_a_few_at_a_time_over_all_and_the_longest_ready_first() -> None:
    later = replace(READY, ref=OTHER, since=START + timedelta(minutes=1))
    assert [run.ref for run in suites.decide([later, READY], Trials(), 1).start] == [REF]
    assert [run.ref for run in suites.decide([later, READY], Trials(), 2).start] == [REF, OTHER]
    busy = Trials(running={Run(REF, A, "unit"): START})
    assert suites.decide([later, READY], busy, 1).start == ()


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
def test_what_runs_ends_with_its_commit_and_its_environment(place: Place | None, goes_on: bool) -> None:
    stop = suites.decide([place] if place else [], known(running=("unit",)), 2).stop
    assert stop == (() if goes_on else (Run(REF, A, "unit"),))


def test_what_is_shown_is_of_the_newest_commit_alone() -> None:
    trials = known(ended(Verdict.FAILED), running=("scan",))
    shown = suites.shown(READY, trials)
    assert [(each.name, each.state) for each in shown] == [
        ("unit", "failed"), ("browser", "waiting"), ("scan", "running"),
    ]  # fmt: skip
    assert suites.failed(shown) == ["unit"]
    assert suites.pending(shown) == ["browser"], "a scan that does not block is waited for by nobody"
    assert suites.shown(replace(READY, wanted_commit=B), trials) == ()
    assert suites.shown(replace(READY, phase=Phase.DESTROYING), trials) == ()
