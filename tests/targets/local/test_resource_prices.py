"""What orphans on this machine cost a day: disk and memory, at the operator's prices. C2, P10."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from programs.inventory import HeldResource
from programs.kit import machine_costs
from programs.kit.machine_costs import ReservedAmounts
from programs.targets.local import resource_prices
from tests.targets.local_machine import local_settings

PRICES = machine_costs.machine_prices().override({"disk": Decimal(730), "memory": Decimal(1)}, "eph.toml")
NAME = "shop-gentle-stream-42"
MEBIBYTE = 1024**2


def test_folder_checkout_and_log_cost_their_disk_and_nothing_counts_twice(tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    folder = settings.env(NAME)
    for path in (folder / "src" / "abc" / "big", folder / "home" / "small", settings.logs / "x.log"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * (MEBIBYTE * (64 if path.name == "big" else 8)))
    resources = [
        HeldResource("folder", str(folder), NAME),
        HeldResource("checkout", f"{NAME}/abc", NAME),
        HeldResource("log", "x", NAME),
        HeldResource("route", "x.localhost", NAME),
        HeldResource("checkout", f"{NAME}/removed-meanwhile", NAME),
    ]
    found = resource_prices.hourly_prices(settings, resources, PRICES)
    assert [found[item].quantize(Decimal("0.0001")) for item in resources] == [
        Decimal(text) for text in ("0.0078", "0.0625", "0.0078", "0", "0")
    ]


def test_process_costs_its_memory(tmp_path: Path) -> None:
    mine = HeldResource("process", f"{os.getpid()} (python)", NAME)
    ended = HeldResource("process", "99999999 (python)", NAME)
    found = resource_prices.hourly_prices(local_settings(tmp_path), [mine, ended], PRICES)
    assert Decimal("0.01") < found[mine] < Decimal(8)
    assert found[ended] == 0


def test_item_without_a_price_is_left_out(tmp_path: Path) -> None:
    process = HeldResource("process", f"{os.getpid()} (python)", NAME)
    only_disk = machine_costs.machine_prices().override({"disk": Decimal(1)}, "eph.toml")
    assert resource_prices.hourly_prices(local_settings(tmp_path), [process], only_disk) == {}
    assert machine_costs.hourly_price(only_disk, ReservedAmounts(disk=Decimal(1024**3))) == Decimal(1) / 730
