"""The row that names the leader: four methods, each one statement in its own transaction.

A statement that arrives late is harmless: a renewal names its holder and epoch, and a takeover names everything that
was seen, so either does nothing once another replica has taken the row.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from orchestrator.ledger import database_engine, schema_upgrade, wording
from orchestrator.ledger.tables import LEASES

EXCHANGE_SECONDS = 2.0
UNKNOWN_HOLDER = "unknown"

T = TypeVar("T")


class LeaseUnavailable(Exception):
    """The database with the lease didn't respond."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    holder: str
    epoch: int
    beat: int
    address: str = field(default="", compare=False)
    """The address of its holder."""

    @property
    def is_released(self) -> bool:
        """Its last holder released it."""
        return not self.holder


class LeaseStore(Protocol):
    """Each raises LeaseUnavailable, and then may or may not have taken effect."""

    def read(self) -> LeaseRow: ...

    def renew(self, holder: str, epoch: int) -> bool:
        """False if another replica has taken it."""

    def take(self, seen: LeaseRow, holder: str) -> int:
        """The new epoch; 0 if the row has changed since it was read."""

    def release(self, holder: str) -> None: ...

    def close(self) -> None:
        """Closes its connections. Never raises."""


class SqlLeaseStore:
    def __init__(self, url: str, name: str, address: str = "") -> None:
        self._engine = database_engine.create_engine(url, EXCHANGE_SECONDS)
        if self._engine.dialect.name != database_engine.POSTGRES:
            raise database_engine.BadDatabaseUrl(wording.LEADER_NEEDS_POSTGRESQL)
        self._address = address[:256]
        self._display_url = database_engine.display_url(self._engine.url)
        self._name = name
        self._schema_ready = False

    def read(self) -> LeaseRow:
        return self._execute(self._read)

    def renew(self, holder: str, epoch: int) -> bool:
        mine = self._update_own().where(LEASES.c.holder == holder, LEASES.c.epoch == epoch)
        return self._execute(lambda connection: connection.execute(mine.values(beat=LEASES.c.beat + 1)).rowcount == 1)

    def take(self, seen: LeaseRow, holder: str) -> int:
        unchanged = self._update_own().where(
            LEASES.c.holder == seen.holder, LEASES.c.epoch == seen.epoch, LEASES.c.beat == seen.beat
        )
        new = unchanged.values(holder=holder, epoch=LEASES.c.epoch + 1, beat=LEASES.c.beat + 1, address=self._address)
        return self._execute(lambda connection: connection.execute(new.returning(LEASES.c.epoch)).scalar() or 0)

    def release(self, holder: str) -> None:
        mine = self._update_own().where(LEASES.c.holder == holder)
        self._execute(lambda connection: connection.execute(mine.values(holder="", beat=LEASES.c.beat + 1)).rowcount)

    def close(self) -> None:
        self._engine.dispose()

    def _read(self, connection: sa.Connection) -> LeaseRow:
        """A missing row may have been lost with its database, so it isn't free: it has to be observed first."""
        columns = (LEASES.c.holder, LEASES.c.epoch, LEASES.c.beat, LEASES.c.address)
        query = sa.select(*columns).where(LEASES.c.name == self._name)
        found = connection.execute(query).one_or_none()
        if found is None:
            new = {"name": self._name, "holder": UNKNOWN_HOLDER, "epoch": 0, "beat": 0}
            connection.execute(postgresql.insert(LEASES).on_conflict_do_nothing(), new)
            found = connection.execute(query).one()
        return LeaseRow(found.holder, found.epoch, found.beat, found.address)

    def _update_own(self) -> sa.Update:
        return sa.update(LEASES).where(LEASES.c.name == self._name)

    def _execute(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            if not self._schema_ready:
                schema_upgrade.upgrade(self._engine)
                self._schema_ready = True
            with self._session() as connection:
                return work(connection)
        except Exception as error:
            self._schema_ready = False
            self._engine.dispose()
            raise LeaseUnavailable(
                wording.lease_not_renewed(self._display_url, database_engine.error_summary(error))
            ) from error

    def _session(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.execution_options(isolation_level="AUTOCOMMIT").connect()
