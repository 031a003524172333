"""Destroys that the Git host didn't ask for, which the guard counts, and the approvals that people gave for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from orchestrator.runtime.facts.remembered_fact import CurrentRecords, RecalledFacts

GUARDED_DESTROY_TTL = timedelta(days=1)
"""Longer than any window of the guard."""
APPROVED_DESTROY_TTL = timedelta(days=1)
PLAN_APPROVAL_TTL = timedelta(hours=1)
"""An unused approval must not apply to the same plan days later."""
T = TypeVar("T")


@dataclass(slots=True)
class GuardedDestroys:
    """When each of them started."""

    started: list[datetime] = field(default_factory=list)

    def record(self, now: datetime) -> None:
        self.started.append(now)

    def forget(self, current: CurrentRecords) -> None:
        self.started = [at for at in self.started if current.now - at < GUARDED_DESTROY_TTL]

    def start_term(self, recalled: RecalledFacts) -> None:
        self.started = list(recalled.guarded_destroys)


@dataclass(slots=True)
class DestroyApprovals:
    """``plans`` are digests of approved plans that haven't run yet; ``destroys`` name what such a plan destroys."""

    plans: dict[str, datetime] = field(default_factory=dict)
    destroys: dict[str, datetime] = field(default_factory=dict)

    def approve_plan(self, digest: str, now: datetime) -> None:
        self.plans[digest] = now

    def use_plan(self, digest: str, guarded: Iterable[str], now: datetime) -> None:
        """Turns the approval of a plan that runs now into approvals of what it destroys."""
        if self.plans.pop(digest, None) is not None:
            self.destroys.update(dict.fromkeys(guarded, now))

    def complete(self, name: str) -> None:
        self.destroys.pop(name, None)

    def forget(self, current: CurrentRecords) -> None:
        self.plans = _newer_than(self.plans, current.now, PLAN_APPROVAL_TTL)
        self.destroys = _newer_than(self.destroys, current.now, APPROVED_DESTROY_TTL)

    def start_term(self, _: RecalledFacts, /) -> None:
        self.plans.clear()
        self.destroys.clear()


def _newer_than(times: Mapping[T, datetime], now: datetime, age: timedelta) -> dict[T, datetime]:
    return {key: at for key, at in times.items() if now - at < age}
