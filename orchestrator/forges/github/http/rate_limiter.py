"""Limits the request rate of one token by GitHub's published rules, so its secondary limits are never hit.

Reads: a maximum of points per minute (GitHub allows 900 per endpoint; a read costs one). Writes: a short burst, then
one per second, and fewer new comments than GitHub's 500 an hour. A read over the limit raises with the seconds to wait,
because the loop comes back anyway; a write waits a few seconds for its turn.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

READS_PER_MINUTE = 800
WRITE_BURST = 10
WRITES_PER_SECOND = 1.0
CREATES_PER_HOUR = 450
MAX_WRITE_WAIT = 5.0
"""The maximum number of seconds that a write waits; beyond that it raises with the time to wait."""


class MonotonicClock:
    """Seconds that only increase, for measuring durations: when someone sets the clock back by an hour, a wait of one
    second must not become an hour."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._offset = 0.0
        self._last = 0.0

    def __call__(self) -> float:
        with self._lock:
            wall = self._now()
            self._offset = max(self._offset, self._last - wall)
            self._last = wall + self._offset
            return self._last


class RateLimiter:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = MonotonicClock(now)
        self._lock = threading.Lock()
        self._reads: deque[float] = deque()
        self._creates: deque[float] = deque()
        self._next_write_at = 0.0

    def acquire_read(self) -> float:
        """Takes a slot, or returns the seconds until one is free."""
        with self._lock:
            now = self._now()
            _drop_before(self._reads, now - 60.0)
            if len(self._reads) >= READS_PER_MINUTE:
                return max(0.1, self._reads[0] + 60.0 - now)
            self._reads.append(now)
            return 0.0

    def acquire_write(self, creates: bool = False) -> float:
        """Returns the seconds to wait for a slot, which is taken only up to ``PATIENCE``. ``creates``: people are
        notified of it."""
        with self._lock:
            now = self._now()
            _drop_before(self._creates, now - 3600.0)
            if creates and len(self._creates) >= CREATES_PER_HOUR:
                return max(MAX_WRITE_WAIT + 0.1, self._creates[0] + 3600.0 - now)
            due = max(self._next_write_at, now - WRITE_BURST / WRITES_PER_SECOND)
            wait = max(0.0, due - now)
            if wait <= MAX_WRITE_WAIT:
                self._next_write_at = due + 1 / WRITES_PER_SECOND
                self._creates.extend([now + wait] * creates)
            return wait


def _drop_before(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()
