"""The list prices that Eph ships, by region: ``list_prices.json``, which names its date and its sources."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from programs.costs import PriceItem, PriceList

SPOT_SHARE = "fargate_spot"
"""What Fargate Spot costs, as a share of the price on demand. AWS changes it with demand."""
_CPU, _MEMORY = "fargate_cpu_", "fargate_memory_"


@cache
def _data() -> Any:
    return json.loads((Path(__file__).parent / "list_prices.json").read_text())


def shipped_prices(region: str) -> PriceList:
    """Amounts are missing for regions, and items, that the file doesn't have."""
    data = _data()
    return _price_list(data["items"], {**data["everywhere"], **data["regions"].get(region, {})}, region)


def foundation_prices(region: str) -> PriceList:
    """With what is only part of an account's foundation, which costs the same in all regions."""
    data = _data()
    only = _price_list(data["foundation"]["items"], data["foundation"]["everywhere"], region)
    return PriceList((*shipped_prices(region).items, *only.items), region)


def _price_list(listed: dict[str, dict[str, str]], amounts: dict[str, str], region: str) -> PriceList:
    data = _data()
    items = tuple(
        PriceItem(name, item["unit"], Decimal(amounts[name]), data["pages"][item["page"]], data["dated"])
        if name in amounts
        else PriceItem(name, item["unit"])
        for name, item in listed.items()
    )
    return PriceList(items, region)


def cpu_item(architecture: str) -> str:
    """The item of a vCPU on Fargate."""
    return f"{_CPU}{architecture}"


def memory_item(architecture: str) -> str:
    """The item of a GB of memory on Fargate."""
    return f"{_MEMORY}{architecture}"


def on_spot(prices: PriceList) -> PriceList:
    """Fargate's CPU and memory cost a share of the price on demand. Without that share, their prices are unknown."""
    share = prices.get(SPOT_SHARE)
    factor = share.amount if share else None

    def reduced(item: PriceItem) -> PriceItem:
        amount = None if item.amount is None or factor is None else item.amount * factor
        return replace(item, amount=amount) if item.name.startswith((_CPU, _MEMORY)) else item

    return replace(prices, items=tuple(map(reduced, prices.items)))


def instance_item(instance_class: str) -> str:
    """The item of an RDS instance class: ``rds_db_t4g_micro``."""
    return "rds_" + instance_class.replace(".", "_")
