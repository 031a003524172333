"""An environment with a cost, rows of past days and a budget, for API, dashboard and CLI."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from orchestrator.core.costs.budgets import BudgetLevel, BudgetState
from orchestrator.core.costs.cost_reports import CostRow
from orchestrator.core.costs.cost_views import CostView
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from orchestrator.service.port import TargetPrices
from programs.costs import CostEstimate, CostLine, CostStrategy, HourlyRate, PriceItem, PriceList, StrategyComparison

RATE = HourlyRate(Decimal("0.047375"), Decimal("0.0325"))
ESTIMATE = CostEstimate(
    (
        CostLine("web: CPU", Decimal("0.25"), "vCPU", HourlyRate(Decimal("0.014875"))),
        CostLine("load balancer", Decimal(1), "instance", HourlyRate(Decimal("0.0325"), Decimal("0.0325"))),
    ),
    ("gpu",),
    ("data transfer",),
    {CostStrategy.SPOT: StrategyComparison(RATE, HourlyRate(Decimal("0.04"), Decimal("0.0325")), used=False)},
)
COST = CostView(ESTIMATE, exists=True, spent=Decimal("3.20"), saved={CostStrategy.SLEEP: Decimal("1.10")})


def with_cost(view: EnvironmentView) -> EnvironmentView:
    return replace(view, cost=COST)


def row(number: int, repository: str, day: date, spent: str, owner: str = "ada") -> CostRow:
    stack, name = f"eph-{repository.partition('/')[2]}-9ix/pr-{number}", f"shop-gentle-stream-{number}"
    amount = Decimal(spent)
    saved = {"sleep": amount / 2}
    return CostRow(day, stack, START, "awake", name, repository, "aws", owner, amount, saved, amount, saved)


def add_costs(desk: FakeEnvironmentService) -> None:
    """Of two repositories: one environment exists, another is gone."""
    today = START.date()
    desk.put_environment(with_cost(sample(42)))
    desk.put_environment(with_cost(sample(3, repository="demo/api")))
    desk.cost_rows = [
        row(42, "demo/shop", today - timedelta(days=1), "2.00"),
        row(42, "demo/shop", today, "1.00"),
        row(5, "demo/shop", today, "4.00", owner="grace"),
        row(3, "demo/api", today, "0.50"),
        row(1, "demo/shop", today - timedelta(days=20), "9.00"),
    ]
    renews = date(2026, 4, 1)
    desk.budget_states = (
        BudgetState("", Decimal(100), Decimal("7.5"), BudgetLevel.OK, renews),
        BudgetState("demo/shop", Decimal(5), Decimal(7), BudgetLevel.USED_UP, renews),
    )
    cpu = PriceItem("cpu", "vCPU-hour", Decimal("0.03238"), "https://aws.test/prices", "2026-03-31")
    desk.price_lists = [TargetPrices("aws", PriceList((cpu, PriceItem("gpu", "hour")), "us-east-1"))]
