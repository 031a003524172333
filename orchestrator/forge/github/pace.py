"""How fast one token may ask, by GitHub's published rules, so that its secondary limits are never met.

Readings: at most so many points in any minute (GitHub allows 900 to one endpoint; a reading is one). Writes: a short
burst, then one a second, and fewer new comments than GitHub's 500 an hour. A reading over the pace is an error with the
seconds to wait, because the loop comes back anyway; a write waits its turn, for a few seconds.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

READS_A_MINUTE = 800
BURST = 10
WRITES_A_SECOND = 1.0
NEW_AN_HOUR = 450
PATIENCE = 5.0
"""Seconds that a write waits in its thread; with more it is an error that says when."""


class Forward:
    """Seconds that only ever go forward, for measuring how long ago something was: when somebody sets the clock back by
    an hour, a wait of a second must not become one of an hour."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._wall = now
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._last = 0.0

    def __call__(self) -> float:
        with self._lock:
            wall = self._wall()
            self._ahead = max(self._ahead, self._last - wall)
            self._last = wall + self._ahead
            return self._last


class Pace:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = Forward(now)
        self._lock = threading.Lock()
        self._reads: deque[float] = deque()
        self._made: deque[float] = deque()
        self._free_at = 0.0

    def read(self) -> float:
        """Takes a place; or gives the seconds until there is one, and takes none."""
        with self._lock:
            now = self._now()
            _forget(self._reads, now - 60.0)
            if len(self._reads) >= READS_A_MINUTE:
                return max(0.1, self._reads[0] + 60.0 - now)
            self._reads.append(now)
            return 0.0

    def write(self, new: bool = False) -> float:
        """The seconds to wait for one's turn. Up to ``PATIENCE`` the turn is taken, above it is not. ``new``: it makes
        something that people are told of."""
        with self._lock:
            now = self._now()
            _forget(self._made, now - 3600.0)
            if new and len(self._made) >= NEW_AN_HOUR:
                return max(PATIENCE + 0.1, self._made[0] + 3600.0 - now)
            due = max(self._free_at, now - BURST / WRITES_A_SECOND)
            wait = max(0.0, due - now)
            if wait <= PATIENCE:
                self._free_at = due + 1 / WRITES_A_SECOND
                self._made.extend([now + wait] * new)
            return wait


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()
