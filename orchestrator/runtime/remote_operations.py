"""Operations that replicas which led before may still have in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from orchestrator.core.model.world import RunningOperation
from orchestrator.ledger import event_kinds
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.wakeups import Wakeups
from stacks.executors.port import Operations
from stacks.executors.process import operation_records
from stacks.model import StackRef

POLL_INTERVAL = 1.0
"""Seconds between two checks of operations that other replicas began: nothing signals when they end."""


class RemoteOperations:
    """Only a leader that has replicas sees any."""

    def __init__(self, leadership: Leadership, operations: Operations, journal: Journal, wakeups: Wakeups) -> None:
        self._leadership = leadership
        self._operations = operations
        self._journal = journal
        self._wakeups = wakeups

    async def in_progress(self) -> Mapping[StackRef, RunningOperation]:
        """Ends those whose owner is proven dead, and returns the others."""
        if not (self._leadership.has_replicas and self._leadership.is_leader()):
            return {}
        found = await asyncio.to_thread(self._operations.take_over)
        for ref in found.ended:
            self._journal.record(
                event_kinds.OPERATION_RECOVERED, "an operation of an earlier leader was ended", str(ref)
            )
        if found.still_running:
            asyncio.get_running_loop().call_later(POLL_INTERVAL, self._wakeups.wake)
        return {each.ref: _as_running(each) for each in found.still_running}


def _as_running(record: operation_records.OperationRecord) -> RunningOperation:
    return RunningOperation(
        ref=record.ref,
        verb=record.verb,
        commit=record.commit,
        started=datetime.fromisoformat(record.started),
        progress=f"begun by another replica: process {record.worker.pid} on {record.where.partition(' ')[0]}",
        remote=True,
    )
