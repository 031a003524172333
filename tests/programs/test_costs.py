"""Price lists and estimates: P10."""

from __future__ import annotations

from decimal import Decimal

import pytest

from programs.costs import HOURS_PER_MONTH, CostSheet, CostStrategy, HourlyRate, PriceItem, PriceList
from programs.kit import machine_costs
from programs.kit.machine_costs import ReservedAmounts

PRICES = PriceList((PriceItem("cpu", "CPU-hour", Decimal("0.04")), PriceItem("disk", "GB-month", Decimal("0.73"))))


def test_line_costs_quantity_times_price_per_hour() -> None:
    sheet = CostSheet(PRICES)
    sheet.add("web: CPU", "cpu", Decimal("0.5"))
    sheet.add("volume", "disk", 10, asleep=True)
    found = sheet.estimate()
    assert found.rate == HourlyRate(Decimal("0.02") + Decimal("0.01"), Decimal("0.01"))
    assert [(line.what, line.unit) for line in found.lines] == [("web: CPU", "CPU"), ("volume", "GB")]


def test_item_without_price_is_named_once_and_does_not_count_as_free() -> None:
    sheet = CostSheet(PRICES)
    for _ in range(2):
        sheet.add("gpu", "gpu", 1)
    assert sheet.estimate().unpriced == ("gpu",)
    assert not sheet.estimate().is_priced


def test_operators_amounts_replace_published_ones_and_say_where_they_are_from() -> None:
    listed = PRICES.override({"cpu": Decimal("0.01"), "unknown": Decimal(1)}, "eph.toml")
    item = listed.get("cpu")
    assert item is not None
    assert (item.amount, item.source, item.dated) == (Decimal("0.01"), "eph.toml", "")
    assert len(listed.items) == len(PRICES.items)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("500m", "0.5"), ("2", "2"), ("1.5", "1.5"), ("512Mi", 512 * 1024**2), ("2G", 2 * 10**9), ("1k", 1000)],
)
def test_amounts_as_kubernetes_writes_them(text: str, amount: str | int) -> None:
    assert machine_costs.parse_amount(text) == Decimal(amount)


def test_machine_without_prices_has_no_estimate() -> None:
    found = machine_costs.estimate(machine_costs.machine_prices(), ReservedAmounts(Decimal(1), Decimal(2**30)))
    assert not found.is_priced
    assert found.unpriced


def test_machine_asleep_costs_only_its_disk() -> None:
    prices = machine_costs.machine_prices().override({"cpu": Decimal(1), "disk": HOURS_PER_MONTH}, "eph.toml")
    found = machine_costs.estimate(prices, ReservedAmounts(Decimal(2), Decimal(2**30), Decimal(2**30)))
    assert found.rate == HourlyRate(Decimal(3), Decimal(1))
    assert found.unpriced == (), "an operator who prices only CPUs has priced everything"


def test_spot_machines_cost_what_the_operator_pays_for_them() -> None:
    amounts = {"cpu": Decimal(1), "spot_cpu": Decimal("0.3")}
    prices = machine_costs.machine_prices(spot=True).override(amounts, "eph.toml")
    found = machine_costs.estimate(prices, ReservedAmounts(Decimal(2)), spot=True)
    assert found.rate.awake == Decimal("0.6")
    assert found.strategies[CostStrategy.SPOT].before.awake == Decimal(2)
