"""What clients may ask in an hour, what it cost them, and the faults that a test orders."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

HOUR = 3600


class Clock:
    """The machine's time, and what a test has put it ahead by."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self(), UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the next answer is to be. ``path``: only where that text is part of it; 0 of anything: leave as it is."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    truncate: int = 0
    hang: float = 0.0
    path: str = ""


class Faults:
    def __init__(self) -> None:
        self._pending: deque[Fault] = deque()
        self._lock = threading.Lock()

    def inject(self, fault: Fault, count: int) -> None:
        with self._lock:
            self._pending.extend([fault] * count)

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    def next_for(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self._pending:
                if fault.path in path:
                    self._pending.remove(fault)
                    return fault
        return None


class Quota:
    """Counts per account and hour. An answer of 304 is taken back; ``/rate_limit`` is never counted."""

    def __init__(self, limit: int = 5000, anonymous: int = 60, now: Callable[[], float] = time.time) -> None:
        self.limit, self.anonymous, self._now = limit, anonymous, now
        self._used: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self.requests = self.counted = self.not_modified = 0

    def charge(self, key: str, points: int = 1) -> bool:
        """Whether so many more were allowed. More than one: what an answer cost beyond its request."""
        with self._lock:
            used, reset = self._window(key)
            if used >= self.limit_of(key):
                return False
            self._used[key] = (used + points, reset)
            self.counted += points
            return True

    def count_request(self) -> None:
        with self._lock:
            self.requests += 1

    def refund(self, key: str) -> None:
        with self._lock:
            used, reset = self._window(key)
            self._used[key] = (max(0, used - 1), reset)
            self.counted -= 1
            self.not_modified += 1

    def limit_of(self, key: str) -> int:
        return self.limit if key else self.anonymous

    def usage(self, key: str) -> dict[str, int]:
        with self._lock:
            used, reset = self._window(key)
        limit = self.limit_of(key)
        return {"limit": limit, "used": used, "remaining": max(0, limit - used), "reset": reset}

    def headers(self, key: str) -> dict[str, str]:
        state = {f"X-RateLimit-{name.title()}": str(value) for name, value in self.usage(key).items()}
        return {**state, "X-RateLimit-Resource": "graphql" if key.endswith(" graphql") else "core"}

    def stats(self) -> dict[str, int]:
        with self._lock:
            return {"requests": self.requests, "counted": self.counted, "not_modified": self.not_modified}

    def _window(self, key: str) -> tuple[int, int]:
        used, reset = self._used.get(key, (0, 0))
        now = int(self._now())
        return (used, reset) if reset > now else (0, now + HOUR)
