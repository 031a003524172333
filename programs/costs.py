"""What environments cost: price lists, and estimates per hour, in US dollars (P10, C1). Pure.

An estimate counts what an environment reserves, not what it uses: traffic and requests aren't part of it. Whatever has
no price is named in ``unpriced`` instead of counting as free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

HOURS_PER_MONTH = Decimal(730)
"""As cloud providers convert prices per month."""
HOURS_PER_DAY = Decimal(24)
ZERO = Decimal(0)
_PER_MONTH = "-month"


class CostStrategy(StrEnum):
    """How an environment costs less than one that always runs like production."""

    EXPIRY = "expiry"
    SLEEP = "sleep"
    SCHEDULE = "schedule"
    SIZE = "size"
    SHARING = "sharing"
    SPOT = "spot"


@dataclass(frozen=True, slots=True)
class HourlyRate:
    """What something costs per hour while the environment is awake, and while it is asleep."""

    awake: Decimal = ZERO
    asleep: Decimal = ZERO

    def __add__(self, other: HourlyRate) -> HourlyRate:
        return HourlyRate(self.awake + other.awake, self.asleep + other.asleep)


@dataclass(frozen=True, slots=True)
class PriceItem:
    """``unit`` is what the amount is for, such as ``GB-month``. ``amount`` None: not known. ``source``: where the
    amount is from, a page or eph.toml. ``dated``: the day on which it was valid, if known."""

    name: str
    unit: str
    amount: Decimal | None = None
    source: str = ""
    dated: str = ""

    @property
    def hourly(self) -> Decimal | None:
        return self.amount / HOURS_PER_MONTH if self.amount is not None and self.is_monthly else self.amount

    @property
    def is_monthly(self) -> bool:
        return self.unit.endswith(_PER_MONTH)


@dataclass(frozen=True, slots=True)
class PriceList:
    """``place``: where the prices apply, such as a region; may be empty."""

    items: tuple[PriceItem, ...] = ()
    place: str = ""

    def get(self, name: str) -> PriceItem | None:
        return next((item for item in self.items if item.name == name), None)

    def override(self, amounts: Mapping[str, Decimal], source: str, dated: str = "") -> PriceList:
        """With other amounts for some items. Names that aren't in the list are ignored."""
        items = tuple(
            replace(item, amount=amounts[item.name], source=source, dated=dated) if item.name in amounts else item
            for item in self.items
        )
        return replace(self, items=items)


@dataclass(frozen=True, slots=True)
class PublishedPrices:
    """Amounts by item, as they were published at ``source`` on that day."""

    amounts: Mapping[str, Decimal]
    source: str
    dated: str


@dataclass(frozen=True, slots=True)
class CostLine:
    """One part of an environment: ``web: CPU``, 0.25 vCPU, its rate."""

    what: str
    quantity: Decimal
    unit: str
    rate: HourlyRate


@dataclass(frozen=True, slots=True)
class StrategyComparison:
    """An environment's rate without and with a strategy. ``used``: the strategy applies."""

    before: HourlyRate
    after: HourlyRate
    used: bool = True


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """``unpriced`` are the names of price items without an amount. ``excluded``: what costs extra, depending on use.

    ``strategies``: those that depend on how the target builds the environment; the others depend on time.
    """

    lines: tuple[CostLine, ...] = ()
    unpriced: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    strategies: Mapping[CostStrategy, StrategyComparison] = field(default_factory=dict)

    @property
    def rate(self) -> HourlyRate:
        return sum((line.rate for line in self.lines), HourlyRate())

    @property
    def is_priced(self) -> bool:
        """Whether any price is known."""
        return bool(self.lines)


def format_money(amount: Decimal) -> str:
    """``$12.40``; less than a dollar with two significant digits, such as ``$0.047``."""
    if abs(amount) >= 1 or not amount:
        return f"${amount:,.2f}"
    digits = max(2, 1 - amount.adjusted())
    return f"${amount:.{digits}f}"


class CostSheet:
    """Adds up an estimate from a price list."""

    def __init__(self, prices: PriceList) -> None:
        self._prices = prices
        self._lines: list[CostLine] = []
        self._unpriced: list[str] = []

    def add(self, what: str, item_name: str, quantity: Decimal | int, *, asleep: bool = False) -> None:
        """``asleep``: it costs the same while the environment is asleep."""
        amount = Decimal(quantity)
        if not amount:
            return
        item = self._prices.get(item_name)
        hourly = item.hourly if item else None
        if item is None or hourly is None:
            self._unpriced.append(item_name)
            return
        total = hourly * amount
        unit = item.unit.rpartition("-")[0] or item.unit
        self._lines.append(CostLine(what, amount, unit, HourlyRate(total, total if asleep else ZERO)))

    def estimate(
        self, strategies: Mapping[CostStrategy, StrategyComparison] | None = None, excluded: Iterable[str] = ()
    ) -> CostEstimate:
        unpriced = tuple(dict.fromkeys(self._unpriced))
        return CostEstimate(tuple(self._lines), unpriced, tuple(excluded), strategies or {})
