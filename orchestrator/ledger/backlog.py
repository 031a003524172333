"""Events that wait to be written to the database: ordered, bounded, with a count of late and lost events.

A batch that is being written is out of the queue; it returns to the front if writing fails. When the queue is full, the
oldest events are dropped, because the newest say what is wrong now.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.ledger.port import Event


@dataclass(slots=True)
class BufferedEvent:
    """``idempotency_key`` stays the same for every attempt to write the event."""

    event: Event
    idempotency_key: str
    late: bool


@dataclass(frozen=True, slots=True)
class Batch:
    items: Sequence[BufferedEvent]
    lost: int

    @property
    def late(self) -> int:
        return sum(item.late for item in self.items)


class Backlog:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[BufferedEvent] = deque()
        self._lost = 0
        self._writer = uuid.uuid4().hex
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def new_key(self) -> str:
        """A key that no other event of any writer has."""
        with self._lock:
            return self._new_key()

    def add(self, event: Event, late: bool) -> None:
        with self._lock:
            self._waiting.append(BufferedEvent(event, self._new_key(), late))
            self._trim()

    def take(self) -> Batch:
        """Takes everything. Ends with ``confirm`` or ``put_back``."""
        with self._lock:
            batch = Batch(tuple(self._waiting), self._lost)
            self._waiting.clear()
            return batch

    def confirm(self, batch: Batch) -> None:
        with self._lock:
            self._lost -= batch.lost

    def put_back(self, batch: Batch) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(batch.items))
            for item in self._waiting:
                item.late = True
            self._trim()

    def _new_key(self) -> str:
        self._count += 1
        return f"{self._writer}-{self._count}"

    def _trim(self) -> None:
        while len(self._waiting) > self._limit:
            self._waiting.popleft()
            self._lost += 1
