"""Measures the memory of running operations, and what is left of this machine's memory.

Each operation is a session of processes. Shared pages count proportionally (PSS), so that the sums are correct. The
next operation is expected to need as much as the largest of the recent ones. In a container, the container's limit
counts if it is lower than the machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from orchestrator.core.planning.memory_limits import Headroom
from stacks import process_identity

MEGABYTE = 1_000_000
DEFAULT_PER_OPERATION = 200 * MEGABYTE
"""The assumption before the first measurement. On one machine, operations needed between 100 and 160 MB."""
SAMPLES_KEPT = 20
INTERVAL = 1.0
CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60


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
        left = available_memory()
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


def _machine_memory() -> int | None:
    with contextlib.suppress(OSError):
        return int(psutil.virtual_memory().available)
    return None


def memory_by_session(sessions: Iterable[int]) -> dict[int, int]:
    """The bytes used by each session, measured in one pass."""
    found = dict.fromkeys(sessions, 0)
    for pid, session in process_identity.sessions():
        if session in found:
            found[session] += _process_memory(pid)
    return found


def _process_memory(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_full_info().pss)
    return 0


def available_memory(on_machine: Callable[[], int | None] = _machine_memory, cgroups: Path = CGROUPS) -> int | None:
    """The bytes that new processes can use without swapping; None if the system doesn't report it."""
    known = [size for size in (on_machine(), *_available_in_container(cgroups)) if size is not None]
    return min(known) if known else None


def _available_in_container(root: Path) -> Iterable[int | None]:
    """psutil ignores the limits of a cgroup."""
    yield _available_in_cgroup(root, "memory.max", "memory.current", "inactive_file")
    yield _available_in_cgroup(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _available_in_cgroup(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Subtract file caches, which are freed when memory is needed."""
    try:
        most = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        cached = [line.split()[1] for line in (folder / "memory.stat").read_text().splitlines()
                  if line.split()[0] == reclaimable]  # fmt: skip
    except (OSError, ValueError, IndexError):
        return None  # no such kind of cgroup here, or "max"
    return None if most >= UNLIMITED else max(0, most - used + int(cached[0] if cached else 0))
