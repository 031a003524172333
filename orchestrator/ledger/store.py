"""The event log in a database: SQLite by default, PostgreSQL by URL (O1).

Nothing that matters waits for it. ``record`` never raises and never blocks for long: what cannot be written now is
kept in memory, the oldest given up when there are too many, and once the database is back they are written in their
order together with one ``ledger.gap`` event that says how many were late and how many are lost. After a failure the
database is left alone for a while, so that a dead one does not slow every cycle down.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.ledger import kinds
from orchestrator.ledger.port import Event
from orchestrator.ledger.tables import EVENTS, METADATA, from_row, to_row

log = logging.getLogger(__name__)

BUFFER = 1000
QUIET_SECONDS = 5.0


class LedgerUnavailable(Exception):
    """The event log cannot be read just now; the message says where it is and what to look at."""


class SqlLedger:
    """``url`` as SQLAlchemy writes it: ``sqlite:////var/lib/eph/ledger.db``, ``postgresql+psycopg://host/eph``."""

    def __init__(self, url: str, *, buffer: int = BUFFER, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = _engine(url)
        self._where = self._engine.url.render_as_string(hide_password=True)
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._buffer = buffer
        self._lost = 0
        self._monotonic = monotonic
        self._quiet_until = float("-inf")
        self._made = False

    def record(self, event: Event) -> None:
        with self._lock:
            self._waiting.append(event)
            if self._monotonic() >= self._quiet_until:
                self._flush(fresh=1)
            while len(self._waiting) > self._buffer:
                self._waiting.popleft()
                self._lost += 1

    def events(self, subject: str = "", after: int = 0, limit: int = 100, newest: bool = False) -> list[Event]:
        """Raises LedgerUnavailable: a failed reading is never an empty one."""
        order = EVENTS.c.id.desc() if newest else EVENTS.c.id.asc()
        query = sa.select(EVENTS).where(EVENTS.c.id > after).order_by(order).limit(max(limit, 0))
        if subject:
            query = query.where(EVENTS.c.subject == subject)
        self._catch_up()
        try:
            self._make()
            with self._engine.connect() as connection:
                found = [from_row(row) for row in connection.execute(query).mappings()]
        except (SQLAlchemyError, OSError) as error:
            raise LedgerUnavailable(self._sentence("read", error)) from error
        return found[::-1] if newest else found

    def close(self) -> None:
        with self._lock:
            if self._waiting:
                self._flush(fresh=0)
            self._engine.dispose()

    def _catch_up(self) -> None:
        with self._lock:
            if self._waiting and self._monotonic() >= self._quiet_until:
                self._flush(fresh=0)

    def _flush(self, fresh: int) -> None:
        """Writes all that waits in one transaction; on an error all of it goes on waiting. ``fresh`` are not late."""
        batch = list(self._waiting)
        late = len(batch) - fresh
        if late or self._lost:
            batch.append(_gap(late, self._lost))
        try:
            self._make()
            with self._engine.begin() as connection:
                connection.execute(sa.insert(EVENTS), [to_row(event) for event in batch])
        except (SQLAlchemyError, OSError) as error:
            self._failed(error)
            return
        self._waiting.clear()
        self._lost = 0
        self._quiet_until = float("-inf")

    def _failed(self, error: Exception) -> None:
        if self._quiet_until == float("-inf"):
            log.warning("%s", self._sentence("write", error))
        self._quiet_until = self._monotonic() + QUIET_SECONDS
        self._made = False
        # A database that was put back under the same name must be opened anew, not through an old handle.
        self._engine.dispose()

    def _make(self) -> None:
        if self._made:
            return
        database = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and database and database != ":memory:":
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        METADATA.create_all(self._engine)
        self._made = True

    def _sentence(self, verb: str, error: Exception) -> str:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        return (
            f"The event log at {self._where} cannot be {'read' if verb == 'read' else 'written'}: {cause[0]}. "
            f"The loop goes on; check that the database is up and that there is space."
        )


def _gap(late: int, lost: int) -> Event:
    return Event(
        kind=kinds.LEDGER_GAP,
        at=datetime.now(UTC),
        message=f"The event log could not be written for a while: {late} events were late, {lost} are lost.",
        data={"late": str(late), "lost": str(lost)},
    )


def _engine(url: str) -> sa.Engine:
    """SQLite gets a journal that readers do not block, and a short patience with other writers."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 3})
    if "timeout" not in parsed.query:
        parsed = parsed.update_query_dict({"timeout": "3"})
    engine = sa.create_engine(parsed, connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    return engine
