"""How ``eph`` finds the server on this machine without configuration.

``ephd`` and ``eph demo`` write ``current.json`` when they listen and remove it when they stop. A killed server leaves
the file, so it contains the process ID and is ignored if that process is gone.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from programs.kit import files


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where a server listens, and the file that contains a token for it."""

    url: str
    token_file: Path
    pid: int


def path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "eph" / "current.json"


def write(url: str, token_file: Path, pid: int | None = None) -> Path:
    """Records that a server listens at ``url``. The last one recorded is the one that is found."""
    target = path()
    entry = {"url": url, "token_file": str(token_file.absolute()), "pid": pid or os.getpid()}
    files.write(target, json.dumps(entry))
    return target


def read() -> RunningServer | None:
    """The server that is running on this machine, according to its file."""
    try:
        entry = json.loads(path().read_text())
        found = RunningServer(str(entry["url"]), Path(entry["token_file"]), int(entry["pid"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if _is_alive(found.pid) else None


def remove(pid: int | None = None) -> None:
    """Removes the file if it is this process's; another server's stays."""
    try:
        entry = json.loads(path().read_text())
        if entry["pid"] == (pid or os.getpid()):
            path().unlink()
    except (OSError, ValueError, TypeError, KeyError):
        return


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
