"""What is left, by looking at the machine: processes, ports, databases, folders, stacks; never at our own records."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from orchestrator.demo.cluster import demo_cluster
from programs import registry


def environment_leaks(home: Path, names: Iterable[str], target: str, settings: Mapping[str, str]) -> list[str]:
    """While the service still runs: whatever exists of environments that should all be gone."""
    wanted = sorted(set(names))
    on_cluster = target == demo_cluster.TARGET
    told = (
        demo_cluster.find_leftovers(wanted, settings) if on_cluster else registry.get(target).list_remaining(settings)
    )
    return [
        *(f"process {pid} of {name}" for name in wanted for pid in processes(name)),
        *(f"path {path}" for path in paths_named(home / "eph", wanted)),
        *(f"stack file {path}" for path in _stack_files(home / "eph" / "backend")),
        *(f"{target}: {line}" for line in told),
    ]


def operation_leaks(home: Path) -> list[str]:
    """After the service ended: temporary things that Pulumi, its SDK or we made and forgot."""
    return [f"temporary {path}" for path in temp_dir(home).iterdir()]


def demo_leaks(home: Path, ports: Iterable[int]) -> list[str]:
    """After the end: whatever exists of the demo itself."""
    return [
        *(f"process {pid} of {home}" for pid in processes(str(home))),
        *(f"port {port} is still taken" for port in sorted(set(ports)) if _is_listening(port)),
        *([f"folder {home}"] if home.exists() else []),
    ]


def temp_dir(home: Path) -> Path:
    """TMPDIR of everything that the demo starts, so that what it forgets is told from what others do."""
    return home / "tmp"


def processes(text: str) -> list[int]:
    """Processes that name the mark in their command, environment or working folder; not this one and its parents."""
    return [pid for pid in _pids() if pid not in _ancestors() and text.encode() in _process_text(pid)]


def _pids() -> list[int]:
    return psutil.pids()


def _process_text(pid: int) -> bytes:
    traits = b""
    for part in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            traits += Path(f"/proc/{pid}/{part}").read_bytes()
    with contextlib.suppress(OSError):
        traits += os.fsencode(Path(f"/proc/{pid}/cwd").readlink())
    return traits


def _ancestors() -> set[int]:
    found, pid = {os.getpid()}, os.getppid()
    while pid > 1:
        found.add(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
    return found


def paths_named(root: Path, names: Sequence[str]) -> list[Path]:
    """Files and folders that carry an environment's name."""
    # Not rglob, which fails on a folder that goes while it looks.
    found = [Path(folder) / name for folder, folders, files in os.walk(root) for name in (*folders, *files)]
    return [path for path in found if any(name in path.name for name in names)]


def _stack_files(backend: Path) -> list[Path]:
    """Everything in the backend but the note of its format: states, tags, locks, histories, backups."""
    return [path for path in backend.rglob("*") if path.is_file() and path.name != "meta.yaml"]


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
