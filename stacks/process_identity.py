"""Identifies processes by pid, start time and boot ID, because a pid alone may have been reused."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from programs.kit.processes import process_table


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    pid: int
    started: int
    """In clock ticks since boot."""
    boot: str


def boot_clock() -> float:
    """Seconds of a clock that never jumps and includes suspended time, the same for all processes of this machine."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def pid_scope() -> str:
    """The scope in which a pid is valid: this host and our pid namespace. Two containers on one machine have different
    ones, and in each the other's processes look dead."""
    try:
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        space = Path()
    return f"{socket.gethostname()} {space}".strip(" .")


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def identify(pid: int) -> ProcessIdentity | None:
    """None if there is no such process, or only a zombie."""
    started = process_table.start_ticks(pid)
    return None if started is None else ProcessIdentity(pid, started, boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    return identify(identity.pid) == identity


@dataclass(frozen=True, slots=True)
class ProcessStart:
    """A process as the owner of a lock is judged: its start time in seconds since the epoch, and its command's name."""

    started: float
    name: str


def describe(pid: int) -> ProcessStart | None:
    """None if there is no such process, or only a zombie."""
    found = identify(pid)
    if found is None:
        return None
    # Not /proc/uptime: in a container it may count from the container's start, but start times never do.
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return ProcessStart(booted + found.started / os.sysconf("SC_CLK_TCK"), process_table.process_name(pid))


def pids_with_variable(name: str, value: str) -> Iterator[int]:
    """Processes that were started with ``name=value`` in their environment."""
    return (pid for pid in process_table.pids() if process_table.environment(pid).get(name) == value)


def sessions() -> Iterator[tuple[int, int]]:
    """Every process and its session, zombies included."""
    for pid in process_table.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            yield pid, os.getsid(pid)


def session_members(session: int) -> list[int]:
    """Live processes of a session."""
    return [pid for pid, of in sessions() if of == session and process_table.is_alive(pid)]


def send_signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group_signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def wait_until_gone(identity: ProcessIdentity, seconds: float) -> bool:
    """Waits until that exact process is gone or a zombie. Returns False if it is still alive."""
    end = time.monotonic() + seconds
    while is_alive(identity):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
