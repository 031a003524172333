"""What a process and everything below it uses."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

from programs.kit import machine_memory


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """``cpu_seconds`` of processors since the start, without processes that have ended. ``memory`` in bytes; shared
    pages count proportionally."""

    cpu_seconds: float
    memory: int


def of_tree(pid: int) -> ProcessUsage | None:
    """None if the process doesn't run."""
    try:
        found = psutil.Process(pid)
        times = sum(_cpu_seconds(process) for process in (found, *found.children(recursive=True)))
    except (psutil.Error, OSError):
        return None
    return ProcessUsage(times, machine_memory.used_by_process(pid) + machine_memory.used_by_descendants(pid))


def _cpu_seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error, OSError):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
