"""Pauses and resumes the whole server, and says when nothing runs any more.

A paused server still observes, answers and serves previews; it starts no operation, no test suite and no cleanup.
Requests that would have to wait in memory are refused meanwhile, because a restart would lose them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.model.pause import Pause
from orchestrator.core.planning import pauses
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.server.pause_file import PauseFile
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from orchestrator.service.changes import wording
from orchestrator.service.port import PauseStatus, RefusalReason, RequestRefused, TemporarilyUnavailable


@dataclass(frozen=True, slots=True)
class ServerPause:
    """``wake`` starts a cycle."""

    file: PauseFile
    cycles: Cycles
    executor: PlanExecutor
    suites: SuiteRunner
    leadership: Leadership
    journal: Journal
    clock: Clock
    wake: Callable[[], None]

    def status(self) -> PauseStatus | None:
        pause = self.file.current()
        return None if pause is None else self._status(pause)

    def pause(self, reason: str, by: str) -> PauseStatus:
        """A pause that someone else started stays theirs. Raises TemporarilyUnavailable."""
        current = self.file.current()
        if current is None or current.at is None:
            current = Pause(by, self.clock(), " ".join(reason.split()))
            try:
                self.file.set(current)
            except OSError as error:
                raise TemporarilyUnavailable(wording.not_paused(error)) from error
            self.journal.record(EventKind.SERVER_PAUSED, wording.paused(current.reason), actor=by)
        self.wake()
        return self._status(current)

    def resume(self, by: str) -> bool:
        """Returns whether it was paused. Raises TemporarilyUnavailable."""
        if self.file.current() is None:
            return False
        try:
            self.file.clear()
        except OSError as error:
            raise TemporarilyUnavailable(wording.not_resumed(error)) from error
        self.journal.record(EventKind.SERVER_RESUMED, wording.RESUMED, actor=by)
        self.wake()
        return True

    def check(self) -> None:
        """Raises RequestRefused while the server is paused."""
        pause = self.file.current()
        if pause is not None:
            raise RequestRefused(RefusalReason.PAUSED, wording.refused(pauses.describe(pause)))

    def _status(self, pause: Pause) -> PauseStatus:
        """Drained only once the leader has completed a cycle that saw the pause: an earlier one may still have started
        something."""
        latest = self.cycles.latest
        remaining = len(self.executor.running) + latest.remote_operations + self.suites.running_count
        is_seen = self.leadership.is_leader() and latest.plan is not None and latest.plan.pause == pause
        is_idle = remaining == 0 and not self.executor.background_tasks.is_busy
        return PauseStatus(
            pause.by, pause.at, pause.reason, remaining, drained=is_seen and is_idle, message=pauses.note(pause)
        )
