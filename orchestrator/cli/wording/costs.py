"""`eph cost` and `eph prices`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal


def money(amount: str) -> str:
    from programs.costs import format_money  # `eph list` rarely needs it, and must be fast

    return format_money(Decimal(amount))


NO_PRICE = "No price is known, so there is no estimate."
SET_PRICES = "An operator can set prices in the section [prices] of eph.toml. `eph prices` lists them."
NOT_YET = "not known"


def estimate(awake: str, asleep: str, daily: str) -> str:
    return f"{money(awake)} an hour awake, {money(asleep)} asleep; {money(daily)} a day"


def so_far(spent: str, saved: str) -> str:
    return f"{money(spent)}, {money(saved)} saved" if Decimal(saved) else money(spent)


def spent(spent: str, parts: Iterable[str]) -> str:
    saved_parts = ", ".join(parts)
    return f"{money(spent)} spent so far{f'; saved {saved_parts}' if saved_parts else ''}"


def excluded(items: Iterable[str]) -> str:
    return f"Not included, because it depends on use: {', '.join(items)}."


def unpriced(items: Iterable[str]) -> str:
    return f"Not included, because its price isn't known: {', '.join(items)}."


def totals(hourly: str, spent: str, forecast: str) -> str:
    return f"{money(hourly)} an hour now · {money(spent)} this month · about {money(forecast)} by its end"


def saved(parts: Iterable[str]) -> str:
    return f"saved this month: {', '.join(parts)}"


def saved_by(strategy: str, amount: str) -> str:
    return f"{money(amount)} by {strategy}"


def budget(repository: str, amount: str, spent: str, level: str) -> str:
    state = {"warning": " (nearly used up)", "used-up": " (used up: new environments wait)"}.get(level, "")
    return f"budget of {repository or 'all repositories'}: {money(spent)} of {money(amount)}{state}"


def without_price(count: int) -> str:
    what = "environment has" if count == 1 else "environments have"
    return f"{count} {what} no known price"


def refreshed(targets: Iterable[str]) -> str:
    return f"Prices of {', '.join(targets)} are up to date."


NOTHING_TO_REFRESH = "No target of this server publishes prices."
EXCLUSIVE = "--by is about everything, NAME about one environment."
USE_ONE = "Use one of them."
NAME_NEEDED = "--strategies compares the strategies of one environment."
NAME_IT = "Name it: eph cost NAME --strategies"
