"""The outcome of a cycle, and where the newest one is kept for everything that reads it between cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.planning.plans import Plan
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.runtime.observation.forge_reader import ForgeSnapshot


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What a cycle saw and decided. Replaced as a whole, so readers in other threads never see half of it."""

    views: tuple[EnvironmentView, ...] = ()
    plan: Plan | None = None
    forge: ForgeSnapshot = field(default_factory=ForgeSnapshot)
    foreign_stacks: int = 0
    remote_operations: int = 0
    """Running operations that a former leader started."""
    complete: bool = False
    at: datetime | None = None
    seconds: float = 0.0

    @property
    def is_paused(self) -> bool:
        return self.plan is not None and self.plan.pause is not None


CycleListener = Callable[[CycleResult], None]


class Cycles:
    """Written by the loop, read by the service. Before the first cycle ``latest`` is empty."""

    def __init__(self) -> None:
        self._latest = CycleResult()

    @property
    def latest(self) -> CycleResult:
        return self._latest

    def publish(self, result: CycleResult) -> None:
        self._latest = result
