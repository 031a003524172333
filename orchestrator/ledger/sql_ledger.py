"""The event log in a database: SQLite by default, PostgreSQL by URL (O1).

Nothing that matters waits for it. ``record`` only puts the event into a queue; a thread writes. What cannot be written
now is kept in memory, the oldest given up when there are too many, and once the database is back they are written in
their order together with one ``ledger.gap`` event that says how many were late and how many are lost. After a failure
the database is left alone for a while. Reading first writes what waits, so one sees what one has just recorded.

Several replicas may write into one database. A lock around each batch makes their numbers appear in order: a reader
that has seen number 12 will not miss a number 11 that was committed later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.ledger import database_engine, retention, schema_upgrade
from orchestrator.ledger.backlog import Backlog, Batch
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event
from orchestrator.ledger.tables import EVENTS, from_row, to_row

log = logging.getLogger(__name__)

MAX_BUFFERED = 1000
QUIET_SECONDS = 5.0
BUSY_SECONDS = 5.0
CLOSE_SECONDS = 10.0
NEVER = float("-inf")


class LedgerUnavailable(Exception):
    """The event log cannot be read just now; the message says where it is and what to look at."""


def _now() -> datetime:
    return datetime.now(UTC)


class SqlLedger:
    """``url`` as ``databases.parse`` reads it. ``keep``: how long events stay."""

    def __init__(
        self,
        url: str,
        *,
        keep: timedelta = retention.KEEP,
        buffer: int = MAX_BUFFERED,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._engine = database_engine.create_engine(url)
        self._display_url = database_engine.display_url(self._engine.url)
        self._backlog = Backlog(buffer)
        self._keep = keep
        self._monotonic = monotonic
        self._now = now
        self._retry_at = NEVER
        self._prune_at = monotonic() + retention.SOON_SECONDS
        self._schema_ready = False
        self._write_lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="ledger", daemon=True)
        self._start_lock = threading.Lock()

    def record(self, event: Event) -> None:
        self._backlog.add(event, late=self._is_backing_off)
        self._start()
        self._wake.set()

    def events(self, subject: str = "", after: int = 0, limit: int = 100, newest: bool = False) -> list[Event]:
        """Raises LedgerUnavailable: a failed reading is never an empty one."""
        order = EVENTS.c.id.desc() if newest else EVENTS.c.id.asc()
        query = sa.select(EVENTS).where(EVENTS.c.id > after).order_by(order).limit(max(limit, 0))
        if subject:
            query = query.where(EVENTS.c.subject == subject)
        try:
            self._flush_before_read()
            with self._engine.connect() as connection:
                found = [from_row(row) for row in connection.execute(query).mappings()]
        except (SQLAlchemyError, OSError) as error:
            raise LedgerUnavailable(self._error_message("read", error)) from error
        return found[::-1] if newest else found

    def close(self) -> None:
        """Writes what waits if it can be written at once."""
        with self._start_lock:
            self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        if self._write_lock.acquire(timeout=BUSY_SECONDS):
            try:
                self._flush()
            finally:
                self._write_lock.release()
        self._engine.dispose()

    # --- the thread

    def _start(self) -> None:
        with self._start_lock:
            if not self._closed and not self._thread.ident:
                self._thread.start()

    def _write(self) -> None:
        while not self._closed:
            self._wake.wait(self._pause())
            self._wake.clear()
            with self._write_lock:
                if not self._is_backing_off:
                    self._flush()
                    self._prune()

    def _pause(self) -> float:
        """Until the database may be tried again when something waits for that, else until there may be old ones."""
        until = self._retry_at if len(self._backlog) else self._prune_at
        return min(max(until - self._monotonic(), 0.05), retention.LATER_SECONDS)

    @property
    def _is_backing_off(self) -> bool:
        return self._monotonic() < self._retry_at

    # --- with the writing lock held

    def _flush_before_read(self) -> None:
        """The tables are there, and what waited is written if it can be."""
        if not self._write_lock.acquire(timeout=BUSY_SECONDS):
            raise OSError("another thread is still waiting for it")
        try:
            if not self._is_backing_off:
                self._flush()
            self._ensure_schema()
        finally:
            self._write_lock.release()

    def _ensure_schema(self) -> None:
        if not self._schema_ready:
            schema_upgrade.upgrade(self._engine)
            self._schema_ready = True

    def _flush(self) -> None:
        """Writes all that waits in one transaction; on an error all of it goes on waiting."""
        batch = self._backlog.take()
        if not batch.items and not batch.lost:
            return
        try:
            self._ensure_schema()
            with self._engine.begin() as connection:
                self._insert(connection, batch)
        except Exception as error:  # noqa: BLE001 - recording never raises, and the thread never ends
            self._backlog.put_back(batch)
            self._back_off(error)
            return
        self._backlog.confirm(batch)
        self._retry_at = NEVER

    def _insert(self, connection: sa.Connection, batch: Batch) -> None:
        rows = [to_row(item.event, item.idempotency_key) for item in batch.items]
        if batch.late or batch.lost:
            rows.append(to_row(self._gap_event(batch), self._backlog.new_key()))
        if connection.dialect.name == database_engine.POSTGRES:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema_upgrade.ADVISORY_LOCK + 1})")
            connection.execute(postgresql.insert(EVENTS).on_conflict_do_nothing(), rows)
        else:
            connection.execute(sqlite.insert(EVENTS).on_conflict_do_nothing(), rows)

    def _gap_event(self, batch: Batch) -> Event:
        return Event(
            kind=EventKind.LEDGER_GAP,
            at=self._now(),
            message=f"The event log could not be written for a while: {batch.late} events are late, "
            f"{batch.lost} are lost.",
            data={"late": str(batch.late), "lost": str(batch.lost)},
        )

    def _prune(self) -> None:
        if self._monotonic() < self._prune_at:
            return
        try:
            self._ensure_schema()
            with self._engine.begin() as connection:
                gone = retention.prune(connection, self._now() - self._keep)
        except Exception as error:  # noqa: BLE001 - old events can stay a while longer
            self._back_off(error)
            gone = 0
        self._prune_at = self._monotonic() + (
            retention.SOON_SECONDS if gone == retention.BATCH else retention.LATER_SECONDS
        )

    def _back_off(self, error: Exception) -> None:
        if self._retry_at == NEVER:
            log.warning("%s", self._error_message("written", error))
        self._retry_at = self._monotonic() + QUIET_SECONDS
        self._schema_ready = False
        # A database that was put back under the same name must be opened anew, not through an old handle.
        self._engine.dispose()

    def _error_message(self, verb: str, error: Exception) -> str:
        return (
            f"The event log at {self._display_url} cannot be {verb}: {database_engine.error_summary(error)}. "
            f"The loop continues. Check that the database is running and has free space."
        )
