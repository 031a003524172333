"""What single resources on this machine cost, for an audit: the disk that they take, and a process's memory.

CPU isn't included: what an orphaned process will use isn't known. What is part of another listed resource counts there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from programs.costs import PriceList
from programs.inventory import HeldResource
from programs.kit import machine_costs
from programs.kit.database import environment_databases
from programs.kit.isolation import disk
from programs.kit.machine_costs import ReservedAmounts
from programs.targets.local.settings import LocalSettings

_CHECKOUTS = ("checkout", "incomplete checkout")


def hourly_prices(
    settings: LocalSettings, resources: Sequence[HeldResource], prices: PriceList
) -> Mapping[HeldResource, Decimal]:
    has_database = any(item.kind == "database" for item in resources)
    databases = environment_databases.database_sizes(settings) if has_database else {}
    amounts = {item: _amounts(settings, item, databases) for item in resources}
    hourly = {item: machine_costs.hourly_price(prices, amount) for item, amount in amounts.items()}
    return {item: price for item, price in hourly.items() if price is not None}


def _amounts(settings: LocalSettings, item: HeldResource, databases: Mapping[str, int]) -> ReservedAmounts:
    if item.kind == "folder":
        folder = Path(item.name)
        return _on_disk(*(path for path in _entries(folder) if path.name != "src"))
    if item.kind in _CHECKOUTS:
        return _on_disk(settings.env(item.environment) / "src" / item.name.rpartition("/")[2])
    if item.kind == "log":
        return _on_disk(settings.logs / f"{item.name}.log")
    if item.kind == "database":
        return ReservedAmounts(disk=Decimal(databases.get(item.name, 0)))
    if item.kind in ("process", "sandbox"):
        return ReservedAmounts(memory=Decimal(_memory(item.name.partition(" ")[0])))
    return ReservedAmounts()


def _on_disk(*paths: Path) -> ReservedAmounts:
    found = [path for path in paths if path.exists()]
    return ReservedAmounts(disk=Decimal(disk.usage(*found)[0]) if found else Decimal(0))


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _memory(pid: str) -> int:
    """0 if it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
