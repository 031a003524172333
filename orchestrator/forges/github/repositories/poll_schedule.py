"""Decides which repositories to read in this cycle if the remaining quota isn't enough for all.

While half of the hourly quota is left, all are read: after a start or with a new token every read counts once, which
says nothing about the next one. Below that, each repository has its own cost: what its reads cost on average recently,
because a quiet repository costs nothing (304) on a host with ETags. If the total cost fits into the remaining quota,
all are read. Otherwise those that were read longest ago and change most come first, as many as the quota allows. For
the others, the last result is used and reported as such.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.forges.github import wording
from orchestrator.forges.port import ApiUsage

RESERVE = 0.1
"""The share of the quota reserved for writes, and for the reads that a change causes."""
UNRESTRICTED_SHARE = 0.5
"""The share of the quota above which no repository waits."""
SMOOTHING = 0.2
INITIAL_COST = 0.2
NEVER = -1.0


@dataclass(slots=True)
class PollStats:
    """``last_read_at``: when it was last read; ``average_cost``: the average cost of a read."""

    last_read_at: float = NEVER
    average_cost: float = INITIAL_COST


@dataclass(frozen=True, slots=True)
class PollDecision:
    deferred: frozenset[int] = frozenset()
    note: str = ""


class PollSchedule:
    """``poll_seconds``: seconds between two cycles."""

    def __init__(self, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._stats: dict[int, PollStats] = {}

    def record_read(self, repository: int, now: float, cost: float) -> None:
        with self._lock:
            habit = self._stats.setdefault(repository, PollStats())
            habit.last_read_at = now
            habit.average_cost += SMOOTHING * (cost - habit.average_cost)

    def select(self, repositories: Sequence[int], usage: ApiUsage, now: float) -> PollDecision:
        """``usage`` is that of the connection that reads all these repositories."""
        with self._lock:
            habits = {number: self._stats.setdefault(number, PollStats()) for number in repositories}
        allowed = self._budget(usage, now)
        if allowed is None or sum(habit.average_cost for habit in habits.values()) <= allowed:
            return PollDecision()
        chosen = _affordable(habits.items(), allowed, now)
        left_out = frozenset(habits.keys() - chosen)
        minutes = max(1, round((usage.reset - now) / 60))
        note = wording.reading_later(len(left_out), len(habits), usage.remaining, usage.limit, minutes)
        return PollDecision(left_out, note) if left_out else PollDecision()

    def _budget(self, usage: ApiUsage, now: float) -> float | None:
        """What this cycle may cost; None if the quota is unknown or ample."""
        if usage.limit <= 0 or usage.reset <= now or usage.remaining >= UNRESTRICTED_SHARE * usage.limit:
            return None
        looks = max(1.0, (usage.reset - now) / self._poll_seconds)
        return max(0.0, usage.remaining - RESERVE * usage.limit) / looks


def _affordable(stats: Iterable[tuple[int, PollStats]], budget: float, now: float) -> set[int]:
    """At least one, so that each is read eventually."""
    chosen: set[int] = set()
    spent = 0.0
    for number, habit in sorted(stats, key=lambda item: (-_priority(item[1], now), item[0])):
        if chosen and spent + habit.average_cost > budget:
            continue
        chosen.add(number)
        spent += habit.average_cost
    return chosen


def _priority(stats: PollStats, now: float) -> float:
    if stats.last_read_at == NEVER:
        return float("inf")
    return (now - stats.last_read_at) * (0.2 + stats.average_cost)
