"""How ``eph`` finds a server on this machine without configuration.

``ephd`` writes ``current.json`` when it listens and removes it when it stops; ``eph demo`` does the same with
``demo.json``, so that a demo never replaces a server that people use. A killed server leaves its file, so the file
contains the process ID and is ignored if that process is gone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.cli import server_files


class LocalServerKind(StrEnum):
    """The name of each kind's file."""

    EPHD = "current"
    DEMO = "demo"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where a server listens, and the file that contains a token for it."""

    url: str
    token_file: Path
    pid: int


def path(kind: LocalServerKind = LocalServerKind.EPHD) -> Path:
    return server_files.config_folder() / f"{kind}.json"


def write(url: str, token_file: Path, pid: int | None = None, kind: LocalServerKind = LocalServerKind.EPHD) -> Path:
    """Records that a server listens at ``url``. The last one recorded of a kind is the one that is found."""
    target = path(kind)
    entry = {"url": url, "token_file": str(token_file.absolute()), "pid": pid or os.getpid()}
    server_files.write(target, entry)
    return target


def read(kind: LocalServerKind = LocalServerKind.EPHD) -> RunningServer | None:
    """The server that is running on this machine, according to its file."""
    entry = server_files.read(path(kind))
    try:
        found = RunningServer(str(entry["url"]), Path(entry["token_file"]), int(entry["pid"]))
    except (ValueError, TypeError, KeyError):
        return None
    return found if _is_alive(found.pid) else None


def remove(pid: int | None = None, kind: LocalServerKind = LocalServerKind.EPHD) -> None:
    """Removes the file if it is this process's; another server's stays."""
    if server_files.read(path(kind)).get("pid") == (pid or os.getpid()):
        path(kind).unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
