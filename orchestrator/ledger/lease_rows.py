"""The row that says who leads: four verbs, each one statement that is its own transaction.

A statement that arrives late harms nobody: a renewal names its holder and epoch, and a taking names all that was
seen, so either does nothing once another has taken the row.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from orchestrator.ledger import databases, schema
from orchestrator.ledger.tables import LEASES

PATIENCE = 2.0
UNKNOWN = "unknown"

T = TypeVar("T")


class LeaseUnavailable(Exception):
    """The database that says who leads gave no answer."""


@dataclass(frozen=True, slots=True)
class Row:
    holder: str
    epoch: int
    beat: int
    address: str = field(default="", compare=False)
    """Where its holder is reached."""

    @property
    def free(self) -> bool:
        """Its last holder gave it back."""
        return not self.holder


class Rows(Protocol):
    """Each raises LeaseUnavailable, and then may have happened or not."""

    def read(self) -> Row: ...

    def renew(self, holder: str, epoch: int) -> bool:
        """False: another has taken it."""

    def take(self, seen: Row, holder: str) -> int:
        """The new epoch; 0 when the row is no longer what was seen."""

    def release(self, holder: str) -> None: ...

    def close(self) -> None:
        """Ends its connections. Never raises."""


class SqlRows:
    def __init__(self, url: str, name: str, address: str = "") -> None:
        self._engine = databases.engine(url, PATIENCE)
        if self._engine.dialect.name != databases.POSTGRES:
            raise databases.BadDatabaseUrl("ledger_url: replicas find their leader by PostgreSQL; name such a database")
        self._address = address[:256]
        self._where = databases.told(self._engine.url)
        self._name = name
        self._made = False

    def read(self) -> Row:
        return self._asked(self._read)

    def renew(self, holder: str, epoch: int) -> bool:
        mine = self._mine().where(LEASES.c.holder == holder, LEASES.c.epoch == epoch)
        return self._asked(lambda connection: connection.execute(mine.values(beat=LEASES.c.beat + 1)).rowcount == 1)

    def take(self, seen: Row, holder: str) -> int:
        unchanged = self._mine().where(
            LEASES.c.holder == seen.holder, LEASES.c.epoch == seen.epoch, LEASES.c.beat == seen.beat
        )
        new = unchanged.values(holder=holder, epoch=LEASES.c.epoch + 1, beat=LEASES.c.beat + 1, address=self._address)
        return self._asked(lambda connection: connection.execute(new.returning(LEASES.c.epoch)).scalar() or 0)

    def release(self, holder: str) -> None:
        mine = self._mine().where(LEASES.c.holder == holder)
        self._asked(lambda connection: connection.execute(mine.values(holder="", beat=LEASES.c.beat + 1)).rowcount)

    def close(self) -> None:
        self._engine.dispose()

    def _read(self, connection: sa.Connection) -> Row:
        """A row that was not there may have been lost with its database, so it is not free: it has to be watched."""
        columns = (LEASES.c.holder, LEASES.c.epoch, LEASES.c.beat, LEASES.c.address)
        query = sa.select(*columns).where(LEASES.c.name == self._name)
        found = connection.execute(query).one_or_none()
        if found is None:
            new = {"name": self._name, "holder": UNKNOWN, "epoch": 0, "beat": 0}
            connection.execute(postgresql.insert(LEASES).on_conflict_do_nothing(), new)
            found = connection.execute(query).one()
        return Row(found.holder, found.epoch, found.beat, found.address)

    def _mine(self) -> sa.Update:
        return sa.update(LEASES).where(LEASES.c.name == self._name)

    def _asked(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            if not self._made:
                schema.ensure(self._engine)
                self._made = True
            with self._session() as connection:
                return work(connection)
        except Exception as error:
            self._made = False
            self._engine.dispose()
            raise LeaseUnavailable(f"The lease at {self._where} cannot be kept: {databases.cause(error)}.") from error

    def _session(self) -> AbstractContextManager[sa.Connection]:
        return self._engine.execution_options(isolation_level="AUTOCOMMIT").connect()
