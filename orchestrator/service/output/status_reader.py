"""The state of the server itself, for people and monitoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.forges.port import ApiUsage
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.service import wording
from orchestrator.service.port import ForgeUsage, PauseStatus, ServiceStatus


@dataclass(frozen=True, slots=True)
class StatusReader:
    """``usage``: of the Git host's API."""

    version: str
    started_at: datetime
    cycles: Cycles
    executor: PlanExecutor
    leadership: Leadership
    usage: Callable[[], ApiUsage]
    pause: Callable[[], PauseStatus | None]

    def read(self) -> ServiceStatus:
        shown = self.cycles.latest
        notes = list(shown.plan.notes) if shown.plan else [wording.FIRST_CYCLE]
        notes += shown.forge.problems
        if shown.foreign_stacks:
            notes.append(wording.foreign_stacks(shown.foreign_stacks))
        leading = self.leadership
        pause = self.pause()
        if pause is not None:
            notes.insert(0, pause.message)
        if leading.has_replicas and not leading.is_leader():
            notes.insert(0, wording.not_the_leader(leading.leader))
        return ServiceStatus(
            version=self.version,
            started=self.started_at,
            last_cycle=shown.at,
            cycle_seconds=shown.seconds,
            complete=shown.complete,
            notes=tuple(notes),
            running=len(self.executor.running),
            queued=sum(view.queue_position is not None for view in shown.views),
            forge=_forge_cost(self.usage()),
            leads=leading.is_leader(),
            term=leading.epoch,
            leader=leading.leader,
            pause=pause,
        )


def _forge_cost(cost: ApiUsage) -> ForgeUsage:
    return ForgeUsage(cost.counted, cost.free, cost.remaining, cost.limit, cost.blocked_for)
