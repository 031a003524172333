"""How many operations the memory of this machine bears at once (L6).

What runs has not used all that it will: the plan counts what an operation came to at most so far, and of those under
way the part that they have not taken yet. One always runs, or nothing would ever free any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.core.model.policy import Policy


@dataclass(frozen=True, slots=True)
class Headroom:
    """In bytes. ``per_operation``: what one operation comes to, as measured. ``used``: by those under way, one each."""

    available: int
    per_operation: int
    reserve: int
    used: tuple[int, ...] = ()

    def additional(self, running: int) -> int:
        """How many may start besides those that run; of one that began just now nothing was measured yet."""
        to_come = sum(max(0, self.per_operation - now) for now in self.used) + self.per_operation * max(
            0, running - len(self.used)
        )
        return max(0, self.available - self.reserve - to_come) // max(1, self.per_operation)


def limit_policy(policy: Policy, headroom: Headroom | None, running: int) -> Policy:
    """The policy with as many operations at once as there is memory for; None: nobody measured, nothing is bounded."""
    if headroom is None:
        return policy
    most = max(1, running + headroom.additional(running))
    if most >= policy.max_concurrent:
        return policy
    return replace(policy, max_concurrent=most, limit_reason="memory is low: ")


def notes(policy: Policy, headroom: Headroom | None) -> Iterable[str]:
    """For operators, when it matters; ``policy`` is the bounded one."""
    if headroom is not None and policy.limit_reason:
        free, each = (round(number / 1_000_000) for number in (headroom.available, headroom.per_operation))
        yield (
            f"{free} MB of memory are free and an operation takes {each} MB, so at most "
            f"{policy.max_concurrent} run at a time"
        )
