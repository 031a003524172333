"""How much memory is left on this machine. In a container, its own limit counts if it is lower than the machine's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from programs.kit.processes import process_table

CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60


def _on_machine() -> int | None:
    with contextlib.suppress(OSError):
        return int(psutil.virtual_memory().available)
    return None


def available(on_machine: Callable[[], int | None] = _on_machine, cgroups: Path = CGROUPS) -> int | None:
    """The bytes that new processes can use without swapping; None if the system doesn't report it."""
    known = [size for size in (on_machine(), *_available_in_container(cgroups)) if size is not None]
    return min(known) if known else None


def used_by_descendants(pid: int) -> int:
    """The bytes that all processes below this one use. Shared pages count proportionally (PSS)."""
    return sum(map(used_by_process, process_table.descendants(pid)))


def used_by_process(pid: int) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        return int(psutil.Process(pid).memory_full_info().pss)
    return 0


def _available_in_container(root: Path) -> Iterable[int | None]:
    """psutil ignores the limits of a cgroup."""
    yield _available_in_cgroup(root, "memory.max", "memory.current", "inactive_file")
    yield _available_in_cgroup(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _available_in_cgroup(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Subtract file caches, which are freed when memory is needed."""
    try:
        most = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        cached = [line.split()[1] for line in (folder / "memory.stat").read_text().splitlines()
                  if line.split()[0] == reclaimable]  # fmt: skip
    except (OSError, ValueError, IndexError):
        return None  # no such kind of cgroup here, or "max"
    return None if most >= UNLIMITED else max(0, most - used + int(cached[0] if cached else 0))
