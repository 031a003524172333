"""When the rest of the hour does not suffice for all: who is read at this look, and who waits for a later one.

While half of the hour's limit is left nobody waits: a start, or a token that is new, makes every reading count once,
which says nothing of the next. Below it, each has its own price: what its readings cost on average of late, for a quiet
repository costs nothing (304) where the host has ETags. While the prices of all together fit into what is left, all are
read. Else those that were read longest ago and move most come first, as many as can be paid; the others are as they
were last read, and said to be.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.forge.port import Cost

RESERVE = 0.1
"""Of the limit: for writes, and for the questions that a change brings with it."""
PLENTY = 0.5
"""Of the limit: with so much left, nobody waits."""
LEARN = 0.2
PRICE_AT_FIRST = 0.2
NEVER = -1.0


@dataclass(slots=True)
class Habit:
    """``read``: when it was last read; ``price``: what a reading costs on average."""

    read: float = NEVER
    price: float = PRICE_AT_FIRST


@dataclass(frozen=True, slots=True)
class Turn:
    left_out: frozenset[int] = frozenset()
    note: str = ""


class Rota:
    """``every``: seconds between two looks."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._lock = threading.Lock()
        self._habits: dict[int, Habit] = {}

    def was_read(self, repository: int, now: float, cost: float) -> None:
        with self._lock:
            habit = self._habits.setdefault(repository, Habit())
            habit.read = now
            habit.price += LEARN * (cost - habit.price)

    def turn(self, repositories: Sequence[int], cost: Cost, now: float) -> Turn:
        """``cost`` is that of the line with which all of these are asked."""
        with self._lock:
            habits = {number: self._habits.setdefault(number, Habit()) for number in repositories}
        allowed = self._allowed(cost, now)
        if allowed is None or sum(habit.price for habit in habits.values()) <= allowed:
            return Turn()
        chosen = _affordable(habits.items(), allowed, now)
        left_out = frozenset(habits.keys() - chosen)
        minutes = max(1, round((cost.reset - now) / 60))
        note = (
            f"{len(left_out)} of {len(habits)} repositories wait for a later look: {cost.remaining} of {cost.limit} "
            f"requests are left for {minutes} minutes"
        )
        return Turn(left_out, note) if left_out else Turn()

    def _allowed(self, cost: Cost, now: float) -> float | None:
        """What this look may cost; None: nothing is known, or there is plenty, so nothing is held back."""
        if cost.limit <= 0 or cost.reset <= now or cost.remaining >= PLENTY * cost.limit:
            return None
        looks = max(1.0, (cost.reset - now) / self._every)
        return max(0.0, cost.remaining - RESERVE * cost.limit) / looks


def _affordable(habits: Iterable[tuple[int, Habit]], allowed: float, now: float) -> set[int]:
    """At least one, so that each has its turn at some time."""
    chosen: set[int] = set()
    spent = 0.0
    for number, habit in sorted(habits, key=lambda item: (-_urgency(item[1], now), item[0])):
        if chosen and spent + habit.price > allowed:
            continue
        chosen.add(number)
        spent += habit.price
    return chosen


def _urgency(habit: Habit, now: float) -> float:
    if habit.read == NEVER:
        return float("inf")
    return (now - habit.read) * (0.2 + habit.price)
