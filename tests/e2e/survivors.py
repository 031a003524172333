"""Processes of a test's Eph that are still alive after it was stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from orchestrator.demo import leak_check
from programs.kit.processes import process_table


def kill_survivors(home: Path) -> dict[int, str]:
    """Gives the processes of ``home`` some time to end, kills the others, and returns their command lines."""
    left = {pid: process_table.command_line(pid) for pid in leak_check.processes(str(home)) if _survives(pid)}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left


def _survives(pid: int) -> bool:
    end = time.monotonic() + 20
    while process_table.is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return process_table.is_alive(pid)
