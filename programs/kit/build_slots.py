"""Builds share the machine: at most one per CPU runs at a time, or as many as the setting ``limits.builds`` allows.

Eight builds at once on two CPUs take longer than four times two, because they displace each other's files from memory.
A slot is a lock of a file, so the kernel releases it if a build's process is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from programs import steps
from programs.kit import files
from programs.kit.host_settings import HostSettings
from programs.kit.waiting import pause
from programs.steps import StepName

POLL_SECONDS = 0.1


def count(settings: HostSettings) -> int:
    return settings.build_limit or len(os.sched_getaffinity(0))


@contextlib.contextmanager
def acquired(settings: HostSettings) -> Iterator[None]:
    """Holds a slot. If it has to wait for one, that is a step of the operation."""
    folder = files.make_folder(settings.build_slots or settings.root / "build-slots")
    with _Waiting() as waiting:
        # The first in line takes the next free slot; the others wait to become first.
        line = _take([folder / "line"], waiting)
        try:
            slot = _take([folder / f"slot-{number}" for number in range(count(settings))], waiting)
        finally:
            os.close(line)
    try:
        yield
    finally:
        os.close(slot)


class _Waiting(contextlib.ExitStack):
    """The step, which starts when it is first called."""

    started = False

    def __call__(self) -> None:
        if not self.started:
            self.started = True
            self.enter_context(steps.step(StepName.WAIT))
        pause(POLL_SECONDS)


def _take(paths: Sequence[Path], wait: Callable[[], None]) -> int:
    """Locks one of the files. Returns its descriptor, which holds the lock until it is closed."""
    while True:
        for path in paths:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                return descriptor
        wait()
