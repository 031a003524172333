"""Whether this replica may act, asked by everything that does (O2).

A follower looks at the world as the leader does, so that it is warm when its turn comes, and neither carries out nor
tells. A term begins with what the last leader left: its operations are ended where it is proven dead, and waited for
where it is not (``stacks.others``); what this process remembers of an earlier term is forgotten. A plan is carried out
only in the term in which its look began: another replica may have led between the two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from orchestrator.core.model import Running
from orchestrator.ledger import kinds
from orchestrator.ledger.lease import Lease, NoLease
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.wakeups import Wakeups
from stacks import records
from stacks.model import StackRef
from stacks.others import Settled

log = logging.getLogger("eph.leading")

LOOK_AGAIN = 1.0
"""Seconds between two looks at operations that other replicas began: nobody tells when they end."""


class Leading:
    """``begin`` is awaited when a term begins; ``settle`` is called, in a thread, before each look of a leader that has
    replicas. ``me`` is this replica's address."""

    def __init__(self, lease: Lease, journal: Journal, wakeups: Wakeups, me: str = "") -> None:
        self._lease = lease
        self._journal = journal
        self._wakeups = wakeups
        self._me = me
        self._begun = 0
        self.begin: Callable[[], Awaitable[None]] = _nothing
        self.settle: Callable[[], Settled] = Settled
        self.replicas = not isinstance(lease, NoLease)
        """Whether there may be others."""
        if self.replicas:
            lease.changed = self._changed

    @staticmethod
    def alone(journal: Journal, wakeups: Wakeups) -> Leading:
        return Leading(NoLease(), journal, wakeups)

    @property
    def term(self) -> int:
        """0 while this replica follows. A term that has not begun yet counts as none."""
        return self._begun if self.leads() else 0

    def leads(self) -> bool:
        """No I/O, from any thread."""
        return self._lease.leads() and self._lease.epoch == self._begun

    @property
    def epoch(self) -> int:
        return self._lease.epoch

    @property
    def leader(self) -> str:
        """Where the one that leads is reached; empty when it is this replica, or nobody knows."""
        return self._lease.leader

    async def ready(self) -> bool:
        """Whether this replica leads; a new term begins here."""
        if self._lease.leads() and (epoch := self._lease.epoch) != self._begun:
            await self.begin()
            self._begun = epoch
            if self.replicas:
                self._journal.tell(kinds.LEADER_CHANGED, f"the replica at {self._me} leads now, term {epoch}")
        return self.leads()

    async def still(self, term: int) -> bool:
        """Whether a plan of that term may be carried out; asks the database."""
        return bool(term) and await self._lease.confirm() and self.term == term

    async def elsewhere(self) -> Mapping[StackRef, Running]:
        """What replicas that led before still have under way; what is over was tidied up."""
        if not (self.replicas and self.leads()):
            return {}
        settled = await asyncio.to_thread(self.settle)
        for ref in settled.ended:
            self._journal.tell(kinds.OPERATION_RECOVERED, "an operation of an earlier leader was ended", str(ref))
        if settled.living:
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self._wakeups.wake)
        return {each.ref: _running(each) for each in settled.living}

    def _changed(self, leads: bool) -> None:
        if not leads:
            log.warning("This replica leads no more: it starts nothing, and what runs goes on.")
        self._wakeups.wake(look=True)


def _running(left: records.Running) -> Running:
    return Running(
        ref=left.ref,
        verb=left.verb,
        commit=left.commit,
        started=datetime.fromisoformat(left.started),
        progress=f"begun by another replica: process {left.worker.pid} on {left.where.partition(' ')[0]}",
        elsewhere=True,
    )


async def _nothing() -> None:
    """No replica led before."""
