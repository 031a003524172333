"""How costs grow with time: P10."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.costs import accounts
from orchestrator.core.costs.accounts import CostState
from orchestrator.core.costs.cost_views import CostView
from orchestrator.core.views.environment_views import EarlierBuild
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import sample
from programs.costs import CostEstimate, CostLine, CostStrategy, HourlyRate

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ESTIMATE = CostEstimate((CostLine("all", Decimal(1), "x", HourlyRate(Decimal(10), Decimal(1))),))
VIEW = replace(sample(42), cost=CostView(ESTIMATE, exists=True), built_at=NOON - 5 * HOUR)
ASLEEP = replace(VIEW, phase=Phase.ASLEEP, cost=CostView(ESTIMATE, exists=True, asleep_since=NOON - 2 * HOUR))


def test_state_follows_what_exists() -> None:
    assert accounts.state_of(VIEW) is CostState.AWAKE
    assert accounts.state_of(ASLEEP) is CostState.ASLEEP
    assert accounts.state_of(replace(sample(3, Phase.QUEUED), cost=CostView(ESTIMATE))) is CostState.ABSENT
    assert accounts.state_of(replace(sample(3, Phase.EXPIRED), cost=CostView(ESTIMATE))) is CostState.EXPIRED
    held = replace(ASLEEP, phase=Phase.HELD)
    assert accounts.state_of(held) is CostState.ASLEEP, "whatever the phase is"


def test_unknown_environment_counts_from_its_first_build() -> None:
    rebuilt = replace(VIEW, earlier_builds=(EarlierBuild("a" * 40, NOON - 9 * HOUR),))
    assert accounts.counted_from(rebuilt, CostState.AWAKE, None, NOON) == NOON - 9 * HOUR
    unbuilt = replace(VIEW, built_at=None)
    assert accounts.counted_from(unbuilt, CostState.AWAKE, None, NOON) == NOON


def test_counting_goes_on_where_it_ended() -> None:
    last = (NOON - 3 * HOUR, CostState.AWAKE)
    assert accounts.counted_from(VIEW, CostState.ASLEEP, last, NOON) == NOON - 3 * HOUR


def test_time_in_which_it_did_not_exist_is_free() -> None:
    again = replace(VIEW, built_at=NOON - HOUR)
    last = (NOON - 50 * HOUR, CostState.ABSENT)
    assert accounts.counted_from(again, CostState.AWAKE, last, NOON) == NOON - HOUR


def test_an_environment_that_sleeps_was_awake_before() -> None:
    found = list(accounts.grow(ASLEEP, CostState.ASLEEP, NOON - 3 * HOUR, NOON))
    assert [each.spent for each in found] == [Decimal(10), Decimal(2)]
    assert found[1].saved == {CostStrategy.SLEEP: Decimal(18)}


def test_days_are_counted_apart() -> None:
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    found = list(accounts.grow(VIEW, CostState.AWAKE, midnight - HOUR, midnight + 2 * HOUR))
    assert [(each.day, each.spent) for each in found] == [
        (date(2026, 3, 2), Decimal(10)),
        (date(2026, 3, 3), Decimal(20)),
    ]


def test_a_clock_that_was_set_back_costs_nothing() -> None:
    assert list(accounts.grow(VIEW, CostState.AWAKE, NOON + HOUR, NOON)) == []


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=20))
def test_many_small_counts_cost_as_much_as_one(pauses: list[int]) -> None:
    at, total = NOON, Decimal(0)
    for seconds in pauses:
        until = at + timedelta(seconds=seconds)
        total += sum((each.spent for each in accounts.grow(VIEW, CostState.AWAKE, at, until)), Decimal(0))
        at = until
    once = sum((each.spent for each in accounts.grow(VIEW, CostState.AWAKE, NOON, at)), Decimal(0))
    assert abs(total - once) < Decimal("1e-9")
