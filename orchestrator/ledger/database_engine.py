"""Databases by URL, and connections to them that never hang.

A server that is stopped or disconnected without a FIN sends nothing and closes nothing; only the client's own clock
detects that. So every exchange with PostgreSQL has a timeout, after which the socket is shut down, and the driver sees
a lost connection. The server gets shorter timeouts for the same, and aborts transactions that a client left open.
Passwords never leave this module: only kind, host, port and name of a database are shown.
"""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from sqlalchemy.exc import ArgumentError

from orchestrator.ledger import wording

POSTGRES = "postgresql"
CONNECT_SECONDS = 2
"""Per address of the server; the driver rounds values below 2 up."""
EXCHANGE_SECONDS = 3.0
"""Seconds for one exchange; the server gets 2."""
_SESSION = (
    "SET statement_timeout = '2s'; SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '5s'; "
    "SET synchronous_commit = on"
)

RV = TypeVar("RV")


class BadDatabaseUrl(ValueError):
    """The setting ledger_url contains no database URL that Eph supports. Never repeats the URL, which may contain a
    password."""


class TimeoutConnection(psycopg.Connection[Any]):
    """Every exchange ends within ``exchange_timeout`` seconds: with a response or a lost connection."""

    exchange_timeout = EXCHANGE_SECONDS

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        with _shutdown_after(self.pgconn.socket, self.exchange_timeout):
            return super().wait(gen, *args, **kwargs)


@contextmanager
def _shutdown_after(descriptor: int, seconds: float) -> Iterator[None]:
    """Shuts the socket down if the block takes longer, through a duplicate handle, because the number may be reused."""
    handle = socket.socket(fileno=socket.dup(descriptor))
    timer = threading.Timer(seconds, _shutdown, [handle])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        handle.close()


def _shutdown(handle: socket.socket) -> None:
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # The peer closed it first.


def extend_timeout(connection: sa.Connection, seconds: float) -> None:
    """Extends the timeouts of this connection on both sides until its transaction ends; PostgreSQL only."""
    raw = connection.connection.driver_connection
    if isinstance(raw, TimeoutConnection):
        raw.exchange_timeout = seconds
        milliseconds = int(seconds * 1000)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")


def parse(url: str) -> sa.URL:
    """``sqlite:////path``, ``postgresql://user:password@host:port/name``. The driver is chosen here."""
    try:
        parsed = sa.make_url(url)
        kind = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        raise BadDatabaseUrl(wording.not_a_database_url(_EXAMPLES)) from None
    if kind in (POSTGRES, "postgres"):
        if any(sign in (parsed.host or "") for sign in "@/?#"):
            raise BadDatabaseUrl(wording.PASSWORD_NOT_ENCODED)
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise BadDatabaseUrl(wording.unsupported_database(_EXAMPLES))
    return parsed.set(drivername="sqlite")


_EXAMPLES = wording.URL_EXAMPLES


def display_url(url: sa.URL) -> str:
    """The database, for people: without the password and the parameters, which may contain one."""
    shown = sa.URL.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database)
    return shown.render_as_string(hide_password=True)


def error_summary(error: BaseException) -> str:
    """The first line of the driver's error; it contains hosts and users, but no passwords."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def create_engine(url: str, exchange_timeout: float = EXCHANGE_SECONDS) -> sa.Engine:
    """Doesn't connect yet. A connection that was lost while in the pool is replaced before use."""
    parsed = parse(url)
    return _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgres(parsed, exchange_timeout)


def _postgres(url: sa.URL, exchange_timeout: float) -> sa.Engine:
    engine = sa.create_engine(url, pool_pre_ping=True, pool_size=2, max_overflow=8, pool_timeout=EXCHANGE_SECONDS)

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, given: dict[str, Any]) -> TimeoutConnection:
        words = {"connect_timeout": CONNECT_SECONDS, "fallback_application_name": "eph", "prepare_threshold": None}
        raw = TimeoutConnection.connect(**{**words, **given}, autocommit=True)
        raw.exchange_timeout = exchange_timeout
        raw.execute(_SESSION)
        raw.autocommit = False
        return raw

    @sa.event.listens_for(engine, "checkin")
    def _impatient(raw: Any, _record: object) -> None:
        if raw is not None:
            raw.exchange_timeout = exchange_timeout

    return engine


def _sqlite(url: sa.URL) -> sa.Engine:
    """Uses WAL, so readers aren't blocked, and waits only briefly for other writers."""
    if "timeout" not in url.query:
        url = url.update_query_dict({"timeout": "3"})
    if url.database and url.database != ":memory:":
        url = url.set(database=str(Path(url.database).expanduser()))
    engine = sa.create_engine(url, connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        _enable_wal(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    return engine


def _enable_wal(cursor: sqlite3.Cursor) -> None:
    """SQLite's busy timeout doesn't apply to a change of the journal mode: if two start at once, one is refused."""
    deadline = time.monotonic() + EXCHANGE_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
