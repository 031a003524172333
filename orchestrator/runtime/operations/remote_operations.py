"""Operations that replicas which led before may still have in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from orchestrator.core.model.world import RunningOperation
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime import wording
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.wakeups import Wakeups
from stacks.executors.port import Executor, RemoteOperation
from stacks.model import StackRef

POLL_INTERVAL = 1.0
"""Seconds between two checks of operations that other replicas began: nothing signals when they end."""


class RemoteOperations:
    """Only a leader that has replicas sees any."""

    def __init__(self, leadership: Leadership, operations: Executor, journal: Journal, wakeups: Wakeups) -> None:
        self._leadership = leadership
        self._operations = operations
        self._journal = journal
        self._wakeups = wakeups

    async def in_progress(self) -> Mapping[StackRef, RunningOperation]:
        """Ends those whose owner is proven dead, and returns the others."""
        if not (self._leadership.has_replicas and self._leadership.is_leader()):
            return {}
        found = await asyncio.to_thread(self._operations.recover)
        for ref in found.ended:
            self._journal.record(EventKind.OPERATION_RECOVERED, wording.events.LEADERS_OPERATION_STOPPED, str(ref))
        if found.still_running:
            asyncio.get_running_loop().call_later(POLL_INTERVAL, self._wakeups.wake)
        return {each.ref: _as_running(each) for each in found.still_running}


def _as_running(operation: RemoteOperation) -> RunningOperation:
    return RunningOperation(
        ref=operation.ref,
        verb=operation.verb,
        commit=operation.commit,
        started=operation.started_at,
        progress=wording.events.started_by_replica(operation.identity),
        remote=True,
    )
