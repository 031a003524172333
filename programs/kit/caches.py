"""Bounded caches for every room: the newest entries stay. Safe to share between threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import cachetools

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Holds at most ``max_entries``; the oldest entry is dropped first."""

    def __init__(self, max_entries: int) -> None:
        self._entries: cachetools.Cache[K, V] = cachetools.FIFOCache(max_entries)
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            return self._entries.get(key)

    def put(self, key: K, value: V) -> V:
        with self._lock:
            self._entries[key] = value
        return value

    def pop(self, key: K) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def drop_where(self, predicate: Callable[[K], bool]) -> list[K]:
        """Drops all entries whose key matches, and returns those keys."""
        with self._lock:
            dropped = [key for key in self._entries if predicate(key)]
            for key in dropped:
                del self._entries[key]
        return dropped

    def __contains__(self, key: K) -> bool:
        with self._lock:
            return key in self._entries

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)


class ExpiringCache(BoundedCache[K, V]):
    """A bounded cache whose entries also expire ``ttl`` after they were written, by the clock that is passed in.

    ``ttl`` has the type of the difference of two clock readings: a timedelta for datetimes, otherwise seconds.
    """

    def __init__(self, max_entries: int, ttl: Any, clock: Callable[[], Any]) -> None:
        super().__init__(max_entries)
        self._entries = cachetools.TTLCache(max_entries, ttl, clock)
