"""What environments cost over their life, and budgets: P10, C1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orchestrator.core.costs.budgets import BudgetLevel, Budgets
from orchestrator.core.costs.cost_reports import CostGrouping
from orchestrator.core.costs.cost_views import CostView
from orchestrator.core.model.policy import Policy
from orchestrator.core.planning.plan_actions import Wait, WaitingFor
from orchestrator.core.planning.reason_codes import LimitCode
from orchestrator.core.views.phases import Phase
from programs.costs import (
    CostEstimate,
    CostSheet,
    CostStrategy,
    HourlyRate,
    PriceItem,
    PriceList,
    StrategyComparison,
)
from programs.spec import EnvironmentSpec
from stacks.executors.fake import FakeExecutor
from tests.worlds.eph_files import BAD_YAML, eph_yaml
from tests.worlds.fake_machine import FakeMachine
from tests.worlds.world import World

AWAKE, ASLEEP, ON_DEMAND = Decimal("0.10"), Decimal("0.02"), Decimal("0.30")


class PricedMachine(FakeMachine):
    """Ten cents an hour awake on spot capacity, two asleep."""

    def __init__(self, stacks: FakeExecutor) -> None:
        super().__init__(stacks)
        self.estimated = 0

    def price_list(self, settings: Mapping[str, str]) -> PriceList:
        items = (PriceItem("cpu", "hour", AWAKE - ASLEEP), PriceItem("disk", "hour", ASLEEP))
        return PriceList(items)

    def prices(self, spec: EnvironmentSpec, settings: Mapping[str, str], price_list: PriceList) -> CostEstimate:
        self.estimated += 1
        sheet = CostSheet(price_list)
        sheet.add("CPU", "cpu", 1)
        sheet.add("disk", "disk", 1, asleep=True)
        after = HourlyRate(AWAKE, ASLEEP)
        return sheet.estimate({CostStrategy.SPOT: StrategyComparison(HourlyRate(ON_DEMAND, ASLEEP), after)})


async def priced_world(policy: Policy | None = None) -> World:
    town = World(policy or Policy(sleep_capable_targets=frozenset({"local"})))
    town.target = PricedMachine(town.stacks)
    town.targets = {"local": town.target}
    await restart(town)
    return town


async def restart(town: World) -> None:
    await town.crash()
    await town.run_cycle()
    await town.system.costs.sync()


def cost_of(town: World, number: int) -> CostView:
    view = town.view(number)
    assert view is not None
    assert view.cost is not None
    return view.cost


def roughly(hours: float, rate: Decimal = AWAKE) -> object:
    return pytest.approx(float(rate) * hours, abs=float(rate) / 10)  # within six minutes


async def test_estimate_is_known_before_the_environment_exists() -> None:
    town = await priced_world()
    number = town.open_pull()
    ref = town.hold(number)
    await town.run_for(seconds=10)
    assert town.phase(number) is Phase.CREATING
    cost = cost_of(town, number)
    assert (cost.awake_hourly, cost.asleep_hourly, cost.awake_daily) == (AWAKE, ASLEEP, AWAKE * 24)
    assert "0.10 an hour" in town.comment(number)
    town.release(ref)
    await town.close()


async def test_spent_and_saved_follow_the_states_of_the_environment() -> None:
    town = await priced_world()
    number = town.open_pull()
    await town.run_for(minutes=2)
    await town.skip_ahead(hours=2)
    assert float(cost_of(town, number).spent) == roughly(2)
    assert cost_of(town, number).hourly == AWAKE
    town.request_action("sleep", number)
    await town.skip_ahead(hours=10)
    cost = cost_of(town, number)
    assert cost.hourly == ASLEEP
    assert float(cost.spent) == roughly(2 + 10 * 0.2)
    assert float(cost.saved[CostStrategy.SLEEP]) == roughly(10, AWAKE - ASLEEP)
    assert float(cost.saved[CostStrategy.SPOT]) == roughly(2, ON_DEMAND - AWAKE)
    await town.close()


async def test_crash_and_hours_of_downtime_lose_nothing() -> None:
    town = await priced_world()
    number = town.open_pull()
    await town.skip_ahead(hours=1)
    await town.system.costs.sync()
    await town.run_for(minutes=5)  # counted, and not saved
    town.now = town.now.replace(hour=town.now.hour + 5)
    await restart(town)
    await town.run_for(minutes=2)
    assert float(cost_of(town, number).spent) == roughly(6.1)
    await town.close()


async def test_without_the_database_spending_restarts_with_the_first_build() -> None:
    town = await priced_world()
    number = town.open_pull()
    await town.skip_ahead(hours=3)
    town.costs.rows.clear()
    await restart(town)
    await town.run_for(minutes=2)
    assert float(cost_of(town, number).spent) == roughly(3)
    await town.close()


async def test_database_that_is_down_delays_nothing_and_is_written_later() -> None:
    town = await priced_world()
    number = town.open_pull()
    town.costs.available = False
    await town.skip_ahead(hours=1)
    await town.system.costs.sync()
    assert town.phase(number) is Phase.READY
    assert not town.costs.rows
    town.costs.available = True
    await town.system.costs.sync()
    assert float(sum(row.spent for row in town.costs.rows.values())) == roughly(1)
    await town.close()


async def test_broken_eph_yaml_keeps_the_estimate_and_the_count() -> None:
    town = await priced_world()
    number = town.open_pull()
    await town.skip_ahead(hours=1)
    town.push(number, {"eph.yaml": BAD_YAML})
    await town.skip_ahead(hours=1)
    assert float(cost_of(town, number).spent) == roughly(2)
    await town.close()


async def test_expired_environment_saves_what_it_would_have_cost_while_its_pull_request_is_open() -> None:
    town = await priced_world()
    number = town.open_pull(files=eph_yaml("environment: {ttl: 2h}\n"))
    await town.run_for(minutes=2)
    await town.skip_ahead(hours=2)
    assert town.stack(number) is None
    assert "0.20 in total" in town.comment(number)
    await town.skip_ahead(hours=6)
    report = await town.system.service.costs(CostGrouping.ENVIRONMENT)
    assert report.total.hourly == 0
    assert float(report.total.spent) == roughly(2)
    assert float(report.total.saved["expiry"]) == roughly(6)
    town.close_pull(number)
    await town.run_for(minutes=2)
    await town.skip_ahead(hours=6)
    later = await town.system.service.costs(CostGrouping.ENVIRONMENT)
    assert float(later.total.saved["expiry"]) == roughly(6)
    await town.close()


async def test_office_hours_are_credited_with_what_they_save() -> None:
    town = await priced_world()
    rules = 'environment: {schedule: {timezone: UTC, awake: ["Mon-Fri 08:00-14:00"]}}\n'
    number = town.open_pull(files=eph_yaml(rules))
    await town.run_for(minutes=2)
    await town.skip_ahead(hours=2)  # from Monday noon
    await town.run_for(minutes=10)
    assert town.phase(number) is Phase.ASLEEP
    await town.skip_ahead(hours=4)
    saved = cost_of(town, number).saved
    assert float(saved[CostStrategy.SCHEDULE]) == pytest.approx(float(AWAKE - ASLEEP) * 4, abs=0.02)
    assert CostStrategy.SLEEP not in saved
    await town.close()


async def test_costs_are_reported_by_owner_repository_and_day_and_outlive_the_environment() -> None:
    town = await priced_world()
    first, second = town.open_pull(by="ada"), town.open_pull(by="ada")
    await town.skip_ahead(hours=13)  # past midnight
    town.close_pull(first)
    await town.run_for(minutes=10)
    report = await town.system.service.costs(CostGrouping.OWNER)
    assert [(group.name, group.environments, group.hourly) for group in report.groups] == [("ada", 1, AWAKE)]
    assert float(report.total.spent) == roughly(26.2)
    spent = {day.day: day.spent for day in report.days if day.spent}
    assert [day.day for day in (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))] == [
        day.day for day in spent
    ]
    assert float(sum(spent.values())) == float(report.total.spent)
    assert report.forecast > report.total.spent
    by_name = await town.system.service.costs(CostGrouping.ENVIRONMENT)
    assert f"acme/shop#{second}" in [group.name for group in by_name.groups]
    assert len(by_name.groups) == 2
    await town.close()


async def test_budget_warns_then_queues_new_environments_and_destroys_nothing() -> None:
    policy = Policy(budgets=Budgets(by_repository={"acme/*": Decimal("1.00")}))
    town = await priced_world(policy)
    first = town.open_pull()
    await town.skip_ahead(hours=8, minutes=30)
    warned = cost_of(town, first).budget
    assert warned is not None
    assert warned.level is BudgetLevel.WARNING
    await town.skip_ahead(hours=2)
    late = town.open_pull()
    await town.run_for(minutes=5)
    assert town.phase(late) is Phase.QUEUED
    plan = town.last_cycle.plan
    assert plan is not None
    (waits,) = [action for action in plan.actions if isinstance(action, Wait)]
    assert (waits.waiting_for, waits.limit) == (WaitingFor.QUEUE, LimitCode.BUDGET)
    assert [state.level for state in plan.budgets] == [BudgetLevel.USED_UP]
    assert town.phase(first) is Phase.READY, "nothing is destroyed"
    town.push(first)
    await town.run_for(minutes=5)
    assert town.phase(first) is Phase.READY, "what exists is still updated"
    await town.close()


async def test_a_new_month_renews_the_budget() -> None:
    town = await priced_world(Policy(budgets=Budgets(total=Decimal("0.50"))))
    town.open_pull()
    await town.skip_ahead(hours=6)
    late = town.open_pull()
    await town.run_for(minutes=5)
    assert town.phase(late) is Phase.QUEUED
    town.now = datetime(2026, 4, 1, 0, 0, 30, tzinfo=UTC)
    await restart(town)
    await town.run_for(minutes=5)
    assert town.phase(late) is Phase.READY
    await town.close()


async def test_recipe_is_estimated_once() -> None:
    town = await priced_world()
    town.open_pull()
    await town.skip_ahead(hours=1)
    assert isinstance(town.target, PricedMachine)
    assert town.target.estimated == 1
    await town.close()


async def test_comment_does_not_change_while_the_costs_grow() -> None:
    town = await priced_world()
    number = town.open_pull()
    await town.skip_ahead(hours=1)
    before = town.comment(number)
    await town.skip_ahead(hours=5)
    assert town.comment(number) == before
    await town.close()
