"""Where the sandbox keeps what git does not: documents in one SQLite file.

A document is a dict with an id; it has a kind, the repository it belongs to (0: none) and a key to find it by (a
number, a commit, a name). Every request is one transaction, so a kill at any instant leaves the last whole answer.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, repo INTEGER NOT NULL, key TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS things_by_key ON things (kind, repo, key);
"""


class DocumentStore:
    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Nested ones join the outer; an exception takes everything back."""
        with self._lock:
            if not self._depth:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if not self._depth:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if not self._depth:
                self._db.execute("COMMIT")

    def add(self, kind: str, doc: Document, repo: int = 0, key: str | int = "") -> Document:
        with self.transaction():
            cursor = self._db.execute(
                "INSERT INTO things (kind, repo, key, data) VALUES (?, ?, ?, '{}')", (kind, repo, str(key))
            )
            doc = {**doc, "id": cursor.lastrowid}
            self.save(kind, doc)
            return doc

    def save(self, kind: str, doc: Document, key: str | int | None = None) -> None:
        with self.transaction():
            self._db.execute("UPDATE things SET data = ? WHERE kind = ? AND id = ?", (json.dumps(doc), kind, doc["id"]))
            if key is not None:
                self._db.execute("UPDATE things SET key = ? WHERE id = ?", (str(key), doc["id"]))

    def get(self, kind: str, document_id: int) -> Document | None:
        with self._lock:
            row = self._db.execute("SELECT data FROM things WHERE kind = ? AND id = ?", (kind, document_id)).fetchone()
        return None if row is None else json.loads(row[0])

    def find(self, kind: str, repo: int = 0, key: str | int | None = None) -> list[Document]:
        """Oldest first."""
        sql, values = "SELECT data FROM things WHERE kind = ? AND repo = ?", [kind, repo]
        if key is not None:
            sql, values = f"{sql} AND key = ?", [*values, str(key)]
        with self._lock:
            return [json.loads(row[0]) for row in self._db.execute(f"{sql} ORDER BY id", values)]

    def first(self, kind: str, repo: int = 0, key: str | int | None = None) -> Document | None:
        found = self.find(kind, repo, key)
        return found[0] if found else None

    def delete(self, kind: str, document_id: int) -> None:
        with self.transaction():
            self._db.execute("DELETE FROM things WHERE kind = ? AND id = ?", (kind, document_id))

    def close(self) -> None:
        with self._lock:
            self._db.close()
