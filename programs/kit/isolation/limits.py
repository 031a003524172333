"""Bounds the memory, processes and CPU of an environment: a control group for each, or limits of its processes.

Control groups (v2, or v1's controllers) bound the whole environment. If Eph can't create them, each process is bounded
by itself: its data, and, with a user per environment, the number of that user's processes. ``launch.py`` applies what
the domain's record contains, so no process of the environment starts without it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from programs.kit import identifiers
from programs.kit.host_settings import HostSettings

ROOT = Path("/sys/fs/cgroup")
CPU_PERIOD = 100_000
REMOVE_SECONDS = 10.0
_CONTROLLERS = ("memory", "pids", "cpu")


def describe(settings: HostSettings, environment: str) -> dict[str, Any]:
    """What ``namespaces`` creates with the domain, also after a reboot, and what processes apply when they start."""
    how = method()
    if how == "rlimits":
        processes = settings.process_limit if os.geteuid() == 0 else 0
        return {"data": settings.memory_bytes, "processes": processes}
    groups = _groups(settings, environment)
    return {"groups": {str(group): _values(settings, how, group) for group in groups}}


def describe_server(settings: HostSettings, name: str, process_bytes: int) -> dict[str, Any]:
    """Bounds of a server that environments share: its memory by a control group, if Eph can create them, and that of
    each of its processes in any case."""
    bounds: dict[str, Any] = {"data": process_bytes}
    if method() == "rlimits":
        return bounds
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    groups = {group: _memory(group, machine_bytes // 2) for group in _groups(settings, f".{name}")}
    return {**bounds, "groups": {str(group): values for group, values in groups.items() if values}}


def _memory(group: Path, size: int) -> Mapping[str, str]:
    """Empty if this controller doesn't bound it."""
    if method() == "cgroup v2":
        return {"memory.max": str(size)}
    return {"memory.limit_in_bytes": str(size)} if group.parent.name == "memory" else {}


def remove(settings: HostSettings, environment: str) -> None:
    """Ends everything that is left in the environment's control groups, and removes them."""
    if method() == "rlimits":
        return
    deadline = time.monotonic() + REMOVE_SECONDS
    for group in _groups(settings, environment):
        while group.is_dir() and time.monotonic() < deadline:
            for pid in members(group):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.01)


def remove_empty(settings: HostSettings) -> None:
    """Removes the control groups of all environments, once nothing runs."""
    for group in _groups(settings, "*"):
        for found in group.parent.glob(group.name):
            with contextlib.suppress(OSError):
                found.rmdir()


def members(group: Path) -> list[int]:
    """The processes in a control group."""
    with contextlib.suppress(OSError):
        return [int(line) for line in (group / "cgroup.procs").read_text().split()]
    return []


@functools.cache
def method() -> str:
    """``cgroup v2``, ``cgroup v1`` or ``rlimits``: the best that works here."""
    if (ROOT / "cgroup.controllers").exists():
        enabled = (ROOT / "cgroup.subtree_control").read_text().split()
        return "cgroup v2" if set(_CONTROLLERS) <= set(enabled) and _can_create(ROOT) else "rlimits"
    return "cgroup v1" if all(_can_create(ROOT / name) for name in _CONTROLLERS) else "rlimits"


def _can_create(folder: Path) -> bool:
    trial = folder / f"eph-trial-{uuid.uuid4().hex[:8]}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True


def _groups(settings: HostSettings, environment: str) -> list[Path]:
    name = f"eph-{identifiers.server_id(str(settings.root))}-{environment}"
    if method() == "cgroup v2":
        return [ROOT / name]
    return [ROOT / controller / name for controller in _CONTROLLERS]


def _values(settings: HostSettings, how: str, group: Path) -> Mapping[str, str]:
    memory, processes = str(settings.memory_bytes), str(settings.process_limit)
    quota = int(settings.cpu_limit * CPU_PERIOD)
    if how == "cgroup v2":
        cpu = f"{quota or 'max'} {CPU_PERIOD}"
        return {"memory.max": memory, "memory.swap.max": "0", "pids.max": processes, "cpu.max": cpu, "cpu.weight": "50"}
    return {
        "memory": {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
        "pids": {"pids.max": processes},
        "cpu": {"cpu.cfs_quota_us": str(quota or -1), "cpu.shares": "512"},
    }[group.parent.name]
