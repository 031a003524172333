"""The list prices that Eph ships, by region: ``list_prices.json``, which names its date and its sources."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from programs.costs import PriceItem, PriceList

SPOT_SHARE = "fargate_spot"
"""What Fargate Spot costs, as a share of the price on demand. AWS changes it with demand."""


@cache
def _data() -> Any:
    return json.loads((Path(__file__).parent / "list_prices.json").read_text())


def shipped_prices(region: str) -> PriceList:
    """Amounts are missing for regions, and items, that the file doesn't have."""
    data = _data()
    amounts = {**data["everywhere"], **data["regions"].get(region, {})}
    items = tuple(
        PriceItem(name, item["unit"], Decimal(amounts[name]), data["pages"][item["page"]], data["dated"])
        if name in amounts
        else PriceItem(name, item["unit"])
        for name, item in data["items"].items()
    )
    return PriceList(items, region)


def instance_item(instance_class: str) -> str:
    """The item of an RDS instance class: ``rds_db_t4g_micro``."""
    return "rds_" + instance_class.replace(".", "_")
