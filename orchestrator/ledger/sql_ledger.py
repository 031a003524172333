"""The event log in a database: SQLite by default, PostgreSQL by URL (O1).

Nothing important waits for it. ``record`` only queues the event, and a thread writes it. Events that can't be written
stay in memory, and the oldest are dropped when there are too many. Once the database is back, they are written in
order, together with one ``ledger.gap`` event that says how many were late and how many are lost. After a failure, the
database is left alone for a while. Reads first write the queue, so a caller sees what it has just recorded.

Several replicas can write to one database. A lock around each batch makes their IDs appear in order: a reader that has
seen number 12 won't miss a number 11 that was committed later.
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

from orchestrator.ledger import database_engine, retention, schema_upgrade, wording
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
    """The event log can't be read right now; the message says where it is and what to check."""


def _now() -> datetime:
    return datetime.now(UTC)


class SqlLedger:
    """``url`` is parsed by ``database_engine.parse``. ``keep`` is how long events are kept."""

    def __init__(
        self,
        url: str,
        *,
        keep: timedelta = retention.KEEP,
        buffer: int = MAX_BUFFERED,
        retry_seconds: float = QUIET_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._engine = database_engine.create_engine(url)
        self._display_url = database_engine.display_url(self._engine.url)
        self._backlog = Backlog(buffer)
        self._keep = keep
        self._retry_seconds = retry_seconds
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
        """Raises LedgerUnavailable: a failed read is never an empty one."""
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
        """Writes the queue if that is possible immediately."""
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
        """Waits until the database can be retried if events are queued, otherwise until the next cleanup."""
        until = self._retry_at if len(self._backlog) else self._prune_at
        return min(max(until - self._monotonic(), 0.05), retention.LATER_SECONDS)

    @property
    def _is_backing_off(self) -> bool:
        return self._monotonic() < self._retry_at

    # --- with the writing lock held

    def _flush_before_read(self) -> None:
        """Creates the tables, and writes the queue if possible."""
        if not self._write_lock.acquire(timeout=BUSY_SECONDS):
            raise OSError(wording.DATABASE_BUSY)
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
        """Writes the whole queue in one transaction; if that fails, all of it stays queued."""
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
            message=wording.events_missing(batch.late, batch.lost),
            data={"late": str(batch.late), "lost": str(batch.lost)},
        )

    def _prune(self) -> None:
        if self._monotonic() < self._prune_at:
            return
        try:
            self._ensure_schema()
            with self._engine.begin() as connection:
                deleted = retention.prune(connection, self._now() - self._keep)
        except Exception as error:  # noqa: BLE001 - old events can stay a while longer
            self._back_off(error)
            deleted = 0
        self._prune_at = self._monotonic() + (
            retention.SOON_SECONDS if deleted == retention.BATCH else retention.LATER_SECONDS
        )

    def _back_off(self, error: Exception) -> None:
        if self._retry_at == NEVER:
            log.warning("%s", self._error_message("written", error))
        self._retry_at = self._monotonic() + self._retry_seconds
        self._schema_ready = False
        # A database restored under the same name must be opened again, not through an old handle.
        self._engine.dispose()

    def _error_message(self, verb: str, error: Exception) -> str:
        return wording.events_unavailable(self._display_url, verb, database_engine.error_summary(error))
