"""Processes by identity, never by number alone: pid, start time and boot id tell one from its reused number."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Identity:
    pid: int
    started: int
    """Clock ticks after boot."""
    boot: str


def boot_id() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def identify(pid: int) -> Identity | None:
    """None when there is no such process, or only its corpse."""
    fields = _stat(pid)
    if fields is None or fields[0] == "Z":
        return None
    return Identity(pid, int(fields[19]), boot_id())


def alive(identity: Identity) -> bool:
    return identify(identity.pid) == identity


def started_at(pid: int) -> float | None:
    """Seconds since the epoch, to a hundredth or so; None when there is no such process."""
    found = identify(pid)
    if found is None:
        return None
    uptime = float((PROC / "uptime").read_text().split()[0])
    return time.time() - uptime + found.started / os.sysconf("SC_CLK_TCK")


def marked(name: str, value: str) -> Iterator[int]:
    """Processes whose environment was started with ``name=value``."""
    wanted = f"{name}={value}".encode()
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def session_members(session: int) -> list[int]:
    """Processes of a session, without corpses."""
    members = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None and fields[0] != "Z" and int(fields[3]) == session:
                members.append(int(entry.name))
    return members


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _stat(pid: int) -> list[str] | None:
    """The fields after the command's name, which may itself hold spaces and parentheses."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
