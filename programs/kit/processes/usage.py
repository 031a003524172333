"""What a process and everything below it uses."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

from programs.kit import machine_memory
from programs.kit.processes import process_table


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """``cpu_seconds`` of processors since the start, without processes that have ended. ``memory`` in bytes; shared
    pages count proportionally."""

    cpu_seconds: float
    memory: int


def of_tree(pid: int) -> ProcessUsage | None:
    """None if the process doesn't run."""
    if not psutil.pid_exists(pid):
        return None
    tree = [pid, *process_table.descendants(pid)]
    return ProcessUsage(sum(map(_cpu_seconds, tree)), sum(map(machine_memory.used_by_process, tree)))


def _cpu_seconds(pid: int) -> float:
    with contextlib.suppress(psutil.Error, OSError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0
