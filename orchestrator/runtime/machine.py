"""What operations take of this machine's memory, measured while they run, and what is left of it.

Each operation is a session of processes. Pages that they share with others count in parts (PSS), so that the sums are
true. The most that any of the last operations came to is what the next one is expected to take. In a container its
own limit counts, if that is nearer than the machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from orchestrator.core.headroom import Headroom
from stacks import processes

MEGABYTE = 1_000_000
FIRST = 200 * MEGABYTE
"""Of one operation before any was measured. Those of the target `local` came to between 100 and 160 MB."""
KEPT = 20
EVERY = 1.0
CGROUPS = Path("/sys/fs/cgroup")
NO_LIMIT = 1 << 60


class Machine:
    """``sessions``: the first process of each operation under way. ``spare``: bytes that shall stay free; 0: nobody
    asks."""

    def __init__(self, sessions: Callable[[], Iterable[int]], spare: int) -> None:
        self._sessions = sessions
        self._spare = spare
        self._now: dict[int, int] = {}
        self._most: dict[int, int] = {}
        self._ended: deque[int] = deque([FIRST], maxlen=KEPT)

    @property
    def each(self) -> int:
        """What one operation takes; those under way may have come to more than any before."""
        return max([*self._ended, *self._most.values()])

    def headroom(self) -> Headroom | None:
        if not self._spare:
            return None
        left = available()
        used = tuple(self._now.get(session, 0) for session in self._sessions())
        return None if left is None else Headroom(left, self.each, self._spare, used)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if sessions := tuple(self._sessions()):
                used = await asyncio.to_thread(used_by, sessions)
                self.note({session: used.get(session, 0) for session in sessions})
            elif self._now:
                self.note({})
            await asyncio.sleep(EVERY)

    def note(self, used: Mapping[int, int]) -> None:
        """What each session under way takes just now; those that are not among them have ended."""
        for session in self._now.keys() - used.keys():
            if most := self._most.pop(session):  # 0: it ended before anybody looked
                self._ended.append(most)
        for session, size in used.items():
            self._most[session] = max(size, self._most.get(session, 0))
        self._now = dict(used)


def used_by(sessions: Iterable[int]) -> dict[int, int]:
    """Bytes of all processes of each session, in one pass."""
    found = dict.fromkeys(sessions, 0)
    for pid, session in processes.sessions():
        if session in found:
            found[session] += _size(pid)
    return found


def _size(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (processes.PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def available(proc: Path = processes.PROC, cgroups: Path = CGROUPS) -> int | None:
    """Bytes that new processes can have without swapping; None where the system does not say."""
    known = [size for size in (_of_machine(proc), *_of_container(cgroups)) if size is not None]
    return min(known) if known else None


def _of_machine(proc: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _of_container(root: Path) -> Iterable[int | None]:
    yield _left(root, "memory.max", "memory.current", "inactive_file")
    yield _left(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _left(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Files that are only cached go when memory is wanted."""
    try:
        most = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        cached = [line.split()[1] for line in (folder / "memory.stat").read_text().splitlines()
                  if line.split()[0] == reclaimable]  # fmt: skip
    except (OSError, ValueError, IndexError):
        return None  # no such kind of cgroup here, or "max"
    return None if most >= NO_LIMIT else max(0, most - used + int(cached[0] if cached else 0))
