"""Whether this replica may act. Everything that changes something asks (O2).

A follower observes the world as the leader does, so that it is warm when its turn comes, but it executes and reports
nothing. A plan is executed only in the term in which its observation began: another replica may have led in between.
"""

from __future__ import annotations

import logging

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.ledger.lease import Lease, NoLease, PostgresLease
from orchestrator.runtime.wakeups import Wakeups

log = logging.getLogger("eph.leading")


def open_lease(settings: ServerSettings) -> Lease:
    if settings.replicas.lease == "none":
        return NoLease()
    return PostgresLease(settings.ledger_database_url, settings.name, settings.replica_url)


class Leadership:
    def __init__(self, lease: Lease, wakeups: Wakeups) -> None:
        self._lease = lease
        self._wakeups = wakeups
        self._current_term = 0
        self.has_replicas = not isinstance(lease, NoLease)
        if self.has_replicas:
            lease.subscribe(self._on_change)

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
        """The URL of the leader. Empty if this replica leads, or if no leader is known."""
        return self._lease.leader

    def pending_term(self) -> int:
        """The term that this replica holds the lease for and has not begun; 0 if there is none."""
        epoch = self._lease.epoch
        return epoch if self._lease.leads() and epoch != self._current_term else 0

    def begin_term(self, epoch: int) -> None:
        self._current_term = epoch

    async def confirm_term(self, term: int) -> bool:
        """Whether a plan of that term may be executed; asks the database."""
        return bool(term) and await self._lease.confirm() and self.term == term

    def _on_change(self, is_leader: bool) -> None:
        if not is_leader:
            log.warning("This replica is no longer the leader. It starts nothing; running operations continue.")
        self._wakeups.wake(refresh=True)
