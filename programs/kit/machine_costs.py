"""Estimates for targets whose machines have no public price: the operator sets what a CPU, memory and disk cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from programs.costs import CostEstimate, CostSheet, CostStrategy, PriceItem, PriceList, StrategyComparison

CPU, MEMORY, DISK, ENVIRONMENT = "cpu", "memory", "disk", "environment"
SPOT_CPU, SPOT_MEMORY = "spot_cpu", "spot_memory"
GIGABYTE = 1024**3
MACHINE_ITEMS = (
    PriceItem(CPU, "CPU-hour"),
    PriceItem(MEMORY, "GB-hour"),
    PriceItem(DISK, "GB-month"),
    PriceItem(ENVIRONMENT, "environment-hour"),
)
SPOT_ITEMS = (PriceItem(SPOT_CPU, "CPU-hour"), PriceItem(SPOT_MEMORY, "GB-hour"))
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|[kKMGT]i?)?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class ReservedAmounts:
    """What an environment may use: ``cpu`` in CPUs, ``memory`` and ``disk`` in bytes."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    disk: Decimal = Decimal(0)


def machine_prices(place: str = "", spot: bool = False) -> PriceList:
    return PriceList((*MACHINE_ITEMS, *(SPOT_ITEMS if spot else ())), place)


def estimate(prices: PriceList, amounts: ReservedAmounts, *, sleeps: bool = True, spot: bool = False) -> CostEstimate:
    """An item without an amount doesn't count, unless no item has one. ``sleeps``: asleep, only the disk costs."""
    found = _sheet(prices, amounts, sleeps, spot).estimate()
    if not found.is_priced:
        return found
    regular = _sheet(prices, amounts, sleeps, spot=False).estimate().rate
    strategies = {CostStrategy.SPOT: StrategyComparison(regular, found.rate)} if spot else {}
    return CostEstimate(found.lines, strategies=strategies)


def hourly_price(prices: PriceList, amounts: ReservedAmounts, *, spot: bool = False) -> Decimal | None:
    """Of a single resource. None if an item that it uses has no price."""
    cpu, memory = _cpu_and_memory(prices, spot)
    used = {cpu: amounts.cpu, memory: amounts.memory / GIGABYTE, DISK: amounts.disk / GIGABYTE}
    total = Decimal(0)
    for name, quantity in used.items():
        item = prices.get(name)
        if quantity and (item is None or item.hourly is None):
            return None
        total += quantity * item.hourly if item and item.hourly else 0
    return total


def _sheet(prices: PriceList, amounts: ReservedAmounts, sleeps: bool, spot: bool) -> CostSheet:
    sheet = CostSheet(prices)
    cpu, memory = _cpu_and_memory(prices, spot)
    sheet.add("environment", ENVIRONMENT, 1, asleep=not sleeps)
    sheet.add("CPU", cpu, amounts.cpu, asleep=not sleeps)
    sheet.add("memory", memory, amounts.memory / GIGABYTE, asleep=not sleeps)
    sheet.add("disk", DISK, amounts.disk / GIGABYTE, asleep=True)
    return sheet


def _cpu_and_memory(prices: PriceList, spot: bool) -> tuple[str, str]:
    """Their items: those of spot machines, where they have a price."""
    cpu = SPOT_CPU if spot and _has_amount(prices, SPOT_CPU) else CPU
    return cpu, SPOT_MEMORY if spot and _has_amount(prices, SPOT_MEMORY) else MEMORY


def _has_amount(prices: PriceList, name: str) -> bool:
    item = prices.get(name)
    return item is not None and item.amount is not None


def parse_amount(text: str) -> Decimal:
    """``500m`` or ``2`` CPUs, ``512Mi`` or ``2G`` bytes. Values that were checked before."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return Decimal(0)
    number, unit = Decimal(found[1]), found[2] or ""
    if unit == "m":
        return number / 1000
    return number * Decimal(1024 if unit.endswith("i") else 1000) ** _POWERS.get(unit[:1], 0)


def parse_resources(resources: Mapping[str, str], cpu: str, memory: str, disk: str = "0") -> ReservedAmounts:
    """What eph.yaml requests, or else these defaults."""
    return ReservedAmounts(
        parse_amount(resources.get("cpu") or cpu),
        parse_amount(resources.get("memory") or memory),
        parse_amount(resources.get("disk") or disk),
    )
