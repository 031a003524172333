"""Builds share the machine: at most one per CPU runs at a time, or as many as the setting ``limits.builds`` allows.

Eight builds at once on two CPUs take longer than four times two, because they displace each other's files from memory.
For the same reason a build waits while the running ones are expected to need the memory that is left; one that is
alone never waits. A slot is a lock of a file, so the kernel releases it if a build's process is killed. The file
contains what its build is expected to use, and what it uses.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from programs import steps
from programs.kit import files, machine_memory, wording
from programs.kit.host_settings import MEGABYTE, HostSettings
from programs.kit.waiting import pause
from programs.steps import StepName, StepOutput

POLL_SECONDS = 0.1
_RECORD_BYTES = 100


def count(settings: HostSettings) -> int:
    return settings.build_limit or len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class BuildSlot:
    """A held slot. ``expected`` is in bytes; 0 if memory doesn't count."""

    descriptor: int
    expected: int

    def report(self, used: int) -> None:
        """Says how many bytes the build uses now."""
        os.pwrite(self.descriptor, f"{self.expected} {used}".ljust(_RECORD_BYTES).encode(), 0)


@contextlib.contextmanager
def acquired(
    settings: HostSettings, expected: int = 0, available: Callable[[], int | None] = machine_memory.available
) -> Iterator[BuildSlot]:
    """Holds a slot. If it has to wait for one, that is a step of the operation, which says why."""
    folder = files.make_folder(settings.build_slots or settings.root / "build-slots")
    with _Waiting() as waiting:
        # The first in line takes the next free slot; the others wait to become first.
        while (line := _lock(folder / "line")) is None:
            waiting()
        try:
            slot = _take_slot(settings, folder, expected, available, waiting)
        finally:
            os.close(line)
    try:
        yield slot
    finally:
        os.close(slot.descriptor)


class _Waiting(contextlib.ExitStack):
    """The step, which starts when it is first called, and shows its reason once."""

    output: StepOutput | None = None
    shown = ""

    def __call__(self, reason: str = "") -> None:
        self.output = self.output or self.enter_context(steps.step(StepName.WAIT))
        if reason and not self.shown:
            self.shown = reason
            self.output.add([reason])
        pause(POLL_SECONDS)


def _take_slot(
    settings: HostSettings, folder: Path, expected: int, available: Callable[[], int | None], wait: _Waiting
) -> BuildSlot:
    while True:
        locks = {path: _lock(path) for path in (folder / f"slot-{number}" for number in range(count(settings)))}
        free = [lock for lock in locks.values() if lock is not None]
        busy = [path for path, lock in locks.items() if lock is None]
        shortage = _shortage(settings, expected, busy, available) if free else ""
        chosen = free.pop() if free and not shortage else None
        for lock in free:
            os.close(lock)
        if chosen is not None:
            slot = BuildSlot(chosen, expected)
            slot.report(0)
            return slot
        wait(shortage)


def _shortage(settings: HostSettings, expected: int, busy: Sequence[Path], available: Callable[[], int | None]) -> str:
    """Why a build must wait for memory, or an empty string. The running builds may still grow to what is expected."""
    left = available() if settings.build_spare and expected and busy else None
    if left is None:
        return ""
    unclaimed = left - settings.build_spare - sum(map(_growth, busy))
    if expected <= unclaimed:
        return ""
    return wording.waiting_for_memory(expected // MEGABYTE, max(0, unclaimed) // MEGABYTE)


def _growth(slot: Path) -> int:
    try:
        expected, used = (int(word) for word in slot.read_text().split())
    except (OSError, ValueError):
        return 0
    return max(0, expected - used)


def _lock(path: Path) -> int | None:
    """The descriptor, which holds the lock until it is closed. None if another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
