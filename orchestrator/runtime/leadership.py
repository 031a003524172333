"""Whether this replica may act, asked by everything that does (O2).

A follower looks at the world as the leader does, so that it is warm when its turn comes, and neither carries out nor
tells. A term begins with what the last leader left: its operations are ended where it is proven dead, and waited for
where it is not (``stacks.executors.process.recovery``); what this process remembers of an earlier term is forgotten. A
plan is carried out only in the term in which its look began: another replica may have led between the two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from orchestrator.core.model.world import RunningOperation
from orchestrator.ledger import event_kinds
from orchestrator.ledger.lease import Lease, NoLease
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.wakeups import Wakeups
from stacks.executors.process import operation_records
from stacks.executors.process.recovery import Recovery
from stacks.model import StackRef

log = logging.getLogger("eph.leading")

POLL_INTERVAL = 1.0
"""Seconds between two looks at operations that other replicas began: nobody tells when they end."""


class Leadership:
    """``on_term_start`` is awaited when a term begins; ``recover_operations`` is called, in a thread, before each look
    of a leader that has replicas. ``me`` is this replica's address."""

    def __init__(self, lease: Lease, journal: Journal, wakeups: Wakeups, address: str = "") -> None:
        self._lease = lease
        self._journal = journal
        self._wakeups = wakeups
        self._address = address
        self._current_term = 0
        self.on_term_start: Callable[[], Awaitable[None]] = _nothing
        self.recover_operations: Callable[[], Recovery] = Recovery
        self.has_replicas = not isinstance(lease, NoLease)
        """Whether there may be others."""
        if self.has_replicas:
            lease.on_change = self._on_change

    @staticmethod
    def single_replica(journal: Journal, wakeups: Wakeups) -> Leadership:
        return Leadership(NoLease(), journal, wakeups)

    @property
    def term(self) -> int:
        """0 while this replica follows. A term that has not begun yet counts as none."""
        return self._current_term if self.is_leader() else 0

    def is_leader(self) -> bool:
        """No I/O, from any thread."""
        return self._lease.leads() and self._lease.epoch == self._current_term

    @property
    def epoch(self) -> int:
        return self._lease.epoch

    @property
    def leader(self) -> str:
        """Where the one that leads is reached; empty when it is this replica, or nobody knows."""
        return self._lease.leader

    async def ensure_term(self) -> bool:
        """Whether this replica leads; a new term begins here."""
        if self._lease.leads() and (epoch := self._lease.epoch) != self._current_term:
            await self.on_term_start()
            self._current_term = epoch
            if self.has_replicas:
                self._journal.record(
                    event_kinds.LEADER_CHANGED, f"the replica at {self._address} is the leader now, term {epoch}"
                )
        return self.is_leader()

    async def confirm_term(self, term: int) -> bool:
        """Whether a plan of that term may be carried out; asks the database."""
        return bool(term) and await self._lease.confirm() and self.term == term

    async def remote_operations(self) -> Mapping[StackRef, RunningOperation]:
        """What replicas that led before still have under way; what is over was tidied up."""
        if not (self.has_replicas and self.is_leader()):
            return {}
        settled = await asyncio.to_thread(self.recover_operations)
        for ref in settled.ended:
            self._journal.record(
                event_kinds.OPERATION_RECOVERED, "an operation of an earlier leader was stopped", str(ref)
            )
        if settled.still_running:
            asyncio.get_running_loop().call_later(POLL_INTERVAL, self._wakeups.wake)
        return {each.ref: _as_running(each) for each in settled.still_running}

    def _on_change(self, is_leader: bool) -> None:
        if not is_leader:
            log.warning("This replica is no longer the leader. It starts nothing; running operations continue.")
        self._wakeups.wake(refresh=True)


def _as_running(record: operation_records.OperationRecord) -> RunningOperation:
    return RunningOperation(
        ref=record.ref,
        verb=record.verb,
        commit=record.commit,
        started=datetime.fromisoformat(record.started),
        progress=f"started by another replica: process {record.worker.pid} on {record.where.partition(' ')[0]}",
        remote=True,
    )


async def _nothing() -> None:
    """No replica led before."""
