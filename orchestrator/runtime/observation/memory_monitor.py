"""Measures the memory of running operations, and what is left of this machine's memory.

Each operation is a session of processes. Shared pages count proportionally (PSS), so that the sums are correct. The
next operation is expected to need as much as the largest of the recent ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from orchestrator.core.planning.memory_limits import Headroom
from programs.kit import machine_memory
from stacks import process_identity

MEGABYTE = 1_000_000
DEFAULT_PER_OPERATION = 200 * MEGABYTE
"""The assumption before the first measurement. On one machine, operations needed between 100 and 160 MB."""
SAMPLES_KEPT = 20
INTERVAL = 1.0


class MemoryMonitor:
    """``sessions``: the first process of each running operation. ``spare``: bytes that must stay free; 0 disables the
    limit."""

    def __init__(self, sessions: Callable[[], Iterable[int]], reserve: int) -> None:
        self._sessions = sessions
        self._reserve = reserve
        self._current: dict[int, int] = {}
        self._peak: dict[int, int] = {}
        self._samples: deque[int] = deque([DEFAULT_PER_OPERATION], maxlen=SAMPLES_KEPT)

    @property
    def per_operation(self) -> int:
        """The expected use of one operation. A running operation may already use more than any before."""
        return max([*self._samples, *self._peak.values()])

    def headroom(self) -> Headroom | None:
        if not self._reserve:
            return None
        left = machine_memory.available()
        used = tuple(self._current.get(session, 0) for session in self._sessions())
        return None if left is None else Headroom(left, self.per_operation, self._reserve, used)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if sessions := tuple(self._sessions()):
                used = await asyncio.to_thread(memory_by_session, sessions)
                self.record({session: used.get(session, 0) for session in sessions})
            elif self._current:
                self.record({})
            await asyncio.sleep(INTERVAL)

    def record(self, used: Mapping[int, int]) -> None:
        """Record the current use of each running session. All others have ended."""
        for session in self._current.keys() - used.keys():
            if most := self._peak.pop(session):  # 0: it ended before anybody looked
                self._samples.append(most)
        for session, size in used.items():
            self._peak[session] = max(size, self._peak.get(session, 0))
        self._current = dict(used)


def memory_by_session(sessions: Iterable[int]) -> dict[int, int]:
    """The bytes used by each session, measured in one pass."""
    found = dict.fromkeys(sessions, 0)
    for pid, session in process_identity.sessions():
        if session in found:
            found[session] += machine_memory.used_by_process(pid)
    return found
