"""A cache of what was read from the Git host that survives a restart: the first cycle afterwards costs no more than the
last one before.

An SQLite file, readable only by us. Nothing in it is essential: a truncated file, one of an older format or one that
can't be opened is deleted and recreated, and on a full disk nothing is cached. Every entry has its own checksum
(zlib's), so a damaged page is a missing entry. Tokens, and anything derived from them, are never stored.
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

from orchestrator.forges.github import wording

log = logging.getLogger("eph.forge")

FORMAT_VERSION = 1
MAX_ENTRY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """``evict_every``: writes between two checks."""

    entries: int = 30_000
    bytes: int = 128 * 1024 * 1024
    evict_every: int = 1000


DEFAULT_LIMITS = CacheLimits()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
  key TEXT PRIMARY KEY, etag TEXT NOT NULL, next TEXT NOT NULL, body BLOB NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept_by_age ON kept (at);
"""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """``stored_at`` is in seconds since the epoch."""

    etag: str
    next: str
    body: bytes
    stored_at: float


class DiskCache:
    """Thread-safe. With ``path`` None, nothing is cached."""

    def __init__(
        self, path: Path | None, now: Callable[[], float] = time.time, limits: CacheLimits = DEFAULT_LIMITS
    ) -> None:
        self._path, self._now, self._limits = path, now, limits
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
                if self._writes % self._limits.evict_every == 0:
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
                raise sqlite3.DatabaseError(wording.cache_format(form, FORMAT_VERSION))
            db.execute("PRAGMA journal_mode=WAL")
            # Losing the last entries to a power failure costs a few requests; syncing would slow down every write.
            db.execute("PRAGMA synchronous=OFF")
            db.executescript(_SCHEMA)
            db.execute(f"PRAGMA user_version={FORMAT_VERSION}")
            self._evict(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _evict(self, db: sqlite3.Connection) -> None:
        """Deletes the oldest entries if there are too many, or if they are too large."""
        count, size = db.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM kept").fetchone()
        if count > self._limits.entries or size > self._limits.bytes:
            spare = max(count - self._limits.entries * 3 // 4, count // 4)
            db.execute("DELETE FROM kept WHERE key IN (SELECT key FROM kept ORDER BY at LIMIT ?)", (spare,))
            db.execute("VACUUM")

    def _disable(self, error: sqlite3.Error) -> None:
        """Recreates a damaged cache. On a full disk or a lock, nothing is cached until the next start."""
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
