"""Processes by identity, never by number alone: pid, start time and boot id tell one from its reused number."""

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
    """Clock ticks after boot."""
    boot: str


def boot_clock() -> float:
    """Seconds of a clock that never jumps and counts suspended time too, one for all processes of this machine."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def pid_scope() -> str:
    """Where a pid means something: this host, and the namespace of pids that we see. Two containers of one machine
    have two, and in either the other's processes look dead."""
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
    """None when there is no such process, or only its corpse."""
    started = process_table.start_ticks(pid)
    return None if started is None else ProcessIdentity(pid, started, boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    return identify(identity.pid) == identity


@dataclass(frozen=True, slots=True)
class ProcessStart:
    """A process as a lock's owner is judged: when it started, in seconds since the epoch, and its command's name."""

    started: float
    name: str


def describe(pid: int) -> ProcessStart | None:
    """None when there is no such process, or only its corpse."""
    found = identify(pid)
    if found is None:
        return None
    # Not /proc/uptime: in a container it may count from the container's start, and start times never do.
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return ProcessStart(booted + found.started / os.sysconf("SC_CLK_TCK"), process_table.process_name(pid))


def pids_with_variable(name: str, value: str) -> Iterator[int]:
    """Processes whose environment was started with ``name=value``."""
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
    """Waits until that very process is gone or a corpse; False when it outlasted the wait."""
    end = time.monotonic() + seconds
    while is_alive(identity):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
