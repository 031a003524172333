"""What was read from the Git host, kept over a restart: the first cycle of a new life costs no more than the last.

A file of SQLite, readable by us alone. Nothing in it is needed: one that is cut, of an older form or not to be opened
is thrown away and begun anew, and a full disk only means that nothing is kept. Every entry carries its own checksum
(zlib's), so a damaged page is an entry that is not there. No token and nothing derived from one is ever put in.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("eph.forge")

FORMAT_VERSION = 1
MOST_ENTRIES = 30_000
MOST_BYTES = 128 * 1024 * 1024
MAX_ENTRY_BYTES = 16 * 1024 * 1024
TIDY_EVERY = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
  key TEXT PRIMARY KEY, etag TEXT NOT NULL, next TEXT NOT NULL, body BLOB NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept_by_age ON kept (at);
"""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """``stored_at``: when it was put there, in seconds since the epoch."""

    etag: str
    next: str
    body: bytes
    stored_at: float


class DiskCache:
    """Safe for several threads. ``path`` None: nothing is kept."""

    def __init__(self, path: Path | None, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = path, now
        self._lock = threading.Lock()
        self._writes = 0
        self._db = self._open()

    def get(self, key: str) -> CacheEntry | None:
        with self._lock:
            if self._db is None:
                return None
            try:
                row = self._db.execute("SELECT etag, next, body, at FROM kept WHERE key = ?", (key,)).fetchone()
                return None if row is None else CacheEntry(row[0], row[1], zlib.decompress(row[2]), row[3])
            except zlib.error:
                self._delete(key)
            except sqlite3.Error as error:
                self._disable(error)
            return None

    def put(self, key: str, body: bytes, etag: str = "", next_page: str = "") -> None:
        packed = zlib.compress(body, 3)
        if len(packed) > MAX_ENTRY_BYTES:
            return
        with self._lock:
            if self._db is None:
                return
            try:
                row = (key, etag, next_page, packed, self._now())
                self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)", row)
                self._writes += 1
                if self._writes % TIDY_EVERY == 0:
                    self._evict(self._db)
            except sqlite3.Error as error:
                self._disable(error)

    def delete(self, key: str) -> None:
        with self._lock:
            self._delete(key)

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _delete(self, key: str) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("DELETE FROM kept WHERE key = ?", (key,))

    def _open(self) -> sqlite3.Connection | None:
        if self._path is None:
            return None
        for _ in range(2):
            try:
                return self._connect(self._path)
            except (sqlite3.Error, OSError) as error:
                log.warning("recreating the cache %s: %s", self._path, error)
                self._remove(self._path)
        return None

    def _connect(self, path: Path) -> sqlite3.Connection:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            form = db.execute("PRAGMA user_version").fetchone()[0]
            if form not in (0, FORMAT_VERSION):
                raise sqlite3.DatabaseError(f"it has format {form}, and this version writes {FORMAT_VERSION}")
            db.execute("PRAGMA journal_mode=WAL")
            # Losing the last entries to a power cut costs a few requests; waiting for the disk would cost all the time.
            db.execute("PRAGMA synchronous=OFF")
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version={FORMAT_VERSION}")
            self._evict(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _evict(self, db: sqlite3.Connection) -> None:
        """The oldest go when there are too many, or too much."""
        count, size = db.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM kept").fetchone()
        if count > MOST_ENTRIES or size > MOST_BYTES:
            spare = max(count - MOST_ENTRIES * 3 // 4, count // 4)
            db.execute("DELETE FROM kept WHERE key IN (SELECT key FROM kept ORDER BY at LIMIT ?)", (spare,))
            db.execute("VACUUM")

    def _disable(self, error: sqlite3.Error) -> None:
        """A damaged one is begun anew; with a full disk, or a lock, nothing is kept until the next life."""
        log.warning("can't use the cache %s: %s", self._path, error)
        if self._db is not None:
            self._db.close()
            self._db = None
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if damaged and self._path is not None:
            self._remove(self._path)
            self._db = self._open()

    @staticmethod
    def _remove(path: Path) -> None:
        for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)
