"""Whatever happens in whatever order, Eph converges, and never does on the way what must never happen.

L1, L2 (kills at any step, restarts), L5, L6 (limits, one operation per stack), L7 (lies, failed lookups, mass
deletion), L8 (locks, half-created stacks), L9 (lost parts), P1 (comments that are true), S2 (forks). EPH_MODEL_EXAMPLES
runs more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.model import histories, steps
from tests.model.regressions import REGRESSIONS
from tests.model.steps import STEPS, Step
from tests.worlds.model.model_world import ModelWorld

EXAMPLES = int(os.environ.get("EPH_MODEL_EXAMPLES", "20"))
PEOPLE = ("open", "push", "storm", "label", "unlabel", "close", "reopen", "delete", "rename", "same_commit", "ask")
FAULTS = (
    "crash", "kill", "wreck", "deaf", "cut_state", "cut_tag", "lock", "unlock", "leftover", "fail", "drag", "blind",
    "jump",
)  # fmt: skip
digits = st.integers(0, 7)


@pytest.fixture(autouse=True)
def no_logging() -> Iterator[None]:
    """Much goes wrong here, and ephd logs all of it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class AnyHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = ModelWorld()

    @initialize(more=st.integers(0, 3))
    def begin(self, more: int) -> None:
        for each in range(more + 1):
            steps.take_step(self.world, Step("open", each, 0))

    @rule(kind=st.sampled_from(PEOPLE), who=digits, what=digits)
    def people(self, kind: str, who: int, what: int) -> None:
        steps.take_step(self.world, Step(kind, who, what))

    @rule(kind=st.sampled_from(FAULTS), who=digits, what=digits)
    def breaks(self, kind: str, who: int, what: int) -> None:
        steps.take_step(self.world, Step(kind, who, what))

    @rule(kind=st.sampled_from(("mood", "mood", "honest")), who=digits, what=digits)
    def host(self, kind: str, who: int, what: int) -> None:
        steps.take_step(self.world, Step(kind, who, what))

    @rule(what=digits)
    def time(self, what: int) -> None:
        steps.take_step(self.world, Step("pass", 0, what))

    @invariant()
    def nothing_that_must_never_happen(self) -> None:
        assert self.world.problems_so_far() == []

    def teardown(self) -> None:
        try:
            if not self.world.problems_so_far():
                assert self.world.heal_and_settle() == []
        finally:
            self.world.close()


@pytest.mark.timeout(300)
def test_any_history_converges() -> None:
    limits = settings(
        max_examples=EXAMPLES, stateful_step_count=20, deadline=None, derandomize=EXAMPLES < 1000, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(AnyHistory, settings=limits)


@pytest.mark.parametrize("number", range(20))
def test_random_history_converges(number: int) -> None:
    assert histories.play(histories.random_history(1, number)) == []


@pytest.mark.parametrize("name", REGRESSIONS)
def test_regressions_stay_fixed(name: str) -> None:
    assert histories.play(REGRESSIONS[name]) == []


def test_every_step_is_used_by_some_history() -> None:
    taken = {step.kind for number in range(300) for step in histories.random_history(1, number)}
    assert taken == {kind for kind, (weight, _) in STEPS.items() if weight}
    assert {*PEOPLE, *FAULTS, "mood", "honest", "pass", "long_pass"} == taken


def test_seed_reproduces_its_history() -> None:
    assert histories.random_history(3, 4) == histories.random_history(3, 4) != histories.random_history(3, 5)
    history = histories.random_history(3, 4)
    assert histories.shrink(history, lambda less: any(step.kind == "open" for step in less)) == [
        next(step for step in reversed(history) if step.kind == "open")
    ]
