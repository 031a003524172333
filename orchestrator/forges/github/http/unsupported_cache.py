"""Features that a repository was found to lack: remembered for a while and then tried again, because a Git host with
problems returns 404, too."""

from __future__ import annotations

import threading
from collections.abc import Callable

RETRY_SECONDS = 600.0


class UnsupportedCache:
    """Thread-safe."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, path: str) -> None:
        with self._lock:
            self._until[path] = self._now() + RETRY_SECONDS

    def __contains__(self, path: str) -> bool:
        with self._lock:
            return self._now() < self._until.get(path, 0.0) <= self._now() + RETRY_SECONDS
