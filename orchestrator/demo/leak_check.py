"""Finds what a demo left behind by looking at the machine (processes, ports, folders, stacks), never at our records."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.demo import leftover_wording
from orchestrator.demo.cluster import demo_cluster
from orchestrator.demo.containers import demo_engine
from programs import registry
from programs.kit.processes import process_table


def environment_leaks(home: Path, names: Iterable[str], target: str, settings: Mapping[str, str]) -> list[str]:
    """What still exists of destroyed environments, while the server is running."""
    wanted = sorted(set(names))
    finders = {demo_cluster.TARGET: demo_cluster.find_leftovers, demo_engine.TARGET: demo_engine.find_leftovers}
    find = finders.get(target)
    remaining = find(wanted, settings) if find else registry.get(target).list_remaining(settings)
    return [
        *(leftover_wording.process(pid, name) for name in wanted for pid in processes(name)),
        *(f"path {path}" for path in paths_named(home / "eph", wanted)),
        *(leftover_wording.stack_file(path) for path in _stack_files(home / "eph" / "backend")),
        *(f"{target}: {line}" for line in remaining),
    ]


def operation_leaks(home: Path) -> list[str]:
    """Temporary files that Pulumi, its SDK or Eph left behind, once the server has stopped."""
    return [f"temporary {path}" for path in temp_dir(home).iterdir()]


def demo_leaks(home: Path, ports: Iterable[int]) -> list[str]:
    """What still exists of the demo itself, once it has ended."""
    return [
        *(leftover_wording.process(pid, home) for pid in processes(str(home))),
        *(leftover_wording.port_in_use(port) for port in sorted(set(ports)) if _is_listening(port)),
        *([f"folder {home}"] if home.exists() else []),
    ]


def temp_dir(home: Path) -> Path:
    """TMPDIR of every process of the demo, to distinguish its leftovers from those of other programs."""
    return home / "tmp"


def processes(text: str) -> list[int]:
    """Processes with ``text`` in their command, environment or working directory, except this one and its parents."""
    return process_table.mentioning(text)


def paths_named(root: Path, names: Sequence[str]) -> list[Path]:
    """Files and folders whose name contains one of ``names``."""
    return [path for path in _everything_in(root) if any(name in path.name for name in names)]


def _everything_in(root: Path) -> Iterator[Path]:
    """Neither rglob, which fails on a folder that is deleted meanwhile, nor os.walk, which fails on a deep one."""
    pending = [root]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                yield Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))


def _stack_files(backend: Path) -> list[Path]:
    """Every file in the backend except the one that names its format."""
    return [path for path in backend.rglob("*") if path.is_file() and path.name != "meta.yaml"]


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
