"""Costs and prices in the API, on the dashboard and as metrics: P6, P7, P10."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from orchestrator.service.fake import FakeEnvironmentService
from orchestrator.surfaces.dashboard import cost_pages
from tests.surfaces.sample_costs import add_costs

SHOP = "/api/v1/environments/shop-gentle-stream-42"


@pytest.fixture(autouse=True)
def priced_desk(desk: FakeEnvironmentService) -> FakeEnvironmentService:
    add_costs(desk)
    return desk


def test_environment_has_its_cost_as_decimal_text(admin: httpx.Client) -> None:
    cost = admin.get(SHOP).json()["cost"]
    assert cost["hourly"] == cost["awake_hourly"] == "0.047375"
    assert (cost["asleep_hourly"], cost["awake_daily"], cost["spent"]) == ("0.032500", "1.137000", "3.200000")
    assert cost["saved"] == {"sleep": "1.100000"}
    assert cost["unpriced"] == ["gpu"]
    assert admin.get("/api/v1/environments/shop-gentle-stream-7").json()["cost"] is None


def test_details_name_each_part_and_strategy(admin: httpx.Client) -> None:
    found = admin.get(f"{SHOP}/cost").json()
    assert [line["what"] for line in found["lines"]] == ["web: CPU", "load balancer"]
    assert found["excluded"] == ["data transfer"]
    rows = {item["strategy"]: item for item in found["strategies"]}
    assert rows.keys() == {"expiry", "sleep", "schedule", "spot"}
    assert Decimal(rows["spot"]["after"]) < Decimal(rows["spot"]["before"])
    assert rows["spot"]["used"] is False
    unknown = admin.get("/api/v1/environments/shop-gentle-stream-7/cost").json()
    assert (unknown["cost"], unknown["lines"]) == (None, [])


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("repository", ["demo/shop", "demo/api"]),
        ("owner", ["grace", "ada"]),
        ("environment", ["shop-gentle-stream-5", "demo/shop#42", "demo/api#3"]),
        ("target", ["aws", "local"]),
    ],
)
def test_report_sums_up_this_month_by(admin: httpx.Client, by: str, names: list[str]) -> None:
    """P10. What is gone counts too; last month doesn't."""
    report = admin.get("/api/v1/costs", params={"by": by}).json()
    assert [group["name"] for group in report["groups"]] == names
    assert report["total"]["spent"] == "7.500000"
    assert report["total"]["environments"] == 2
    assert report["total"]["hourly"] == "0.094750"
    assert sum(Decimal(group["spent"]) for group in report["groups"]) == Decimal("7.5")
    assert Decimal(report["forecast"]) > Decimal("7.5")


def test_report_has_the_last_days_and_budgets(admin: httpx.Client) -> None:
    report = admin.get("/api/v1/costs").json()
    assert len(report["days"]) == 30
    assert [day["spent"] for day in report["days"][-2:]] == ["2.000000", "5.500000"]
    assert report["days"][-21]["spent"] == "9.000000"
    assert [(each["repository"], each["level"]) for each in report["budgets"]] == [("", "ok"), ("demo/shop", "used-up")]
    assert admin.get("/api/v1/costs", params={"by": "moon"}).status_code == 422


@pytest.mark.parametrize("overrides", [{}])
def test_prices_are_listed_and_refreshed_by_admins_only(
    as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    listed = as_role("viewer").get("/api/v1/prices").json()["targets"][0]
    assert (listed["target"], listed["place"]) == ("aws", "us-east-1")
    assert [item["amount"] for item in listed["items"]] == ["0.03238", None]
    for role in ("nobody", "viewer", "developer"):
        assert as_role(role).post("/api/v1/prices/refresh").status_code in (401, 403)
    assert as_role("admin").post("/api/v1/prices/refresh").json() == {"refreshed": ["aws"]}
    assert [call[0] for call in desk.calls] == ["refresh_prices"]


def test_page_shows_totals_chart_and_budgets(admin: httpx.Client) -> None:
    text = admin.get("/costs").text
    for part in ("<svg", "$7.50", "demo/shop", "demo/api", "New environments wait until 2026-04-01", "Idle sleep"):
        assert part in text
    assert "shop-gentle-stream-5" in admin.get("/costs", params={"by": "environment"}).text
    assert admin.get("/costs", params={"by": "<script>"}).status_code == 200


def test_page_of_an_environment_shows_its_cost(admin: httpx.Client) -> None:
    text = admin.get("/e/shop-gentle-stream-42", params={"tab": "cost"}).text
    for part in ("By part", "$1.14 a day", "$3.20 spent", "load balancer", "Spot"):
        assert part in text
    assert "By part" not in admin.get("/e/shop-gentle-stream-7", params={"tab": "cost"}).text
    assert "Cost a day" in admin.get("/").text


def test_bars_fill_the_chart_in_proportion(desk: FakeEnvironmentService) -> None:
    from orchestrator.core.costs.cost_reports import DailyCost

    today = desk.clock().date()
    found = cost_pages.bars([DailyCost(today, Decimal(3), Decimal(1)), DailyCost(today, Decimal(1))])
    assert [(bar.spent_height, bar.saved_height) for bar in found] == [(90, 30), (30, 0)]
    assert cost_pages.bars([DailyCost(today)])[0].spent_height == 0


def test_metrics_have_rates_by_place_and_budgets(admin: httpx.Client) -> None:
    text = admin.get("/metrics").text
    assert 'eph_cost_hourly_dollars{repository="demo/shop",target="local"} 0.047375' in text
    assert 'eph_cost_budget_dollars{repository="demo/shop"} 5.0' in text
    assert 'eph_cost_month_dollars{repository=""} 7.5' in text
