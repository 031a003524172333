"""Limits concurrent operations by this machine's memory (L6).

A running operation will need more memory than now. So each one reserves the difference between its current use and the
highest use measured so far. One operation may always run; otherwise nothing would ever free memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.core import wording
from orchestrator.core.model.policy import Policy


@dataclass(frozen=True, slots=True)
class Headroom:
    """In bytes. ``per_operation``: the measured use of one operation. ``used``: by each running operation."""

    available: int
    per_operation: int
    reserve: int
    used: tuple[int, ...] = ()

    def additional(self, running: int) -> int:
        """How many more operations may start. Those that just started aren't measured yet."""
        to_come = sum(max(0, self.per_operation - now) for now in self.used) + self.per_operation * max(
            0, running - len(self.used)
        )
        return max(0, self.available - self.reserve - to_come) // max(1, self.per_operation)


def limit_policy(policy: Policy, headroom: Headroom | None, running: int) -> Policy:
    """Limit concurrent operations by memory. Without a measurement, there is no limit."""
    if headroom is None:
        return policy
    most = max(1, running + headroom.additional(running))
    if most >= policy.max_concurrent:
        return policy
    return replace(policy, max_concurrent=most, limited_by_memory=True)


def notes(policy: Policy, headroom: Headroom | None) -> Iterable[str]:
    """A note for operators if ``policy``, the limited one, limits anything."""
    if headroom is not None and policy.limited_by_memory:
        yield wording.limits.memory_limit(headroom.available, headroom.per_operation, policy.max_concurrent)
