"""The machine's process table: finds processes by what they mention, and kills them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


def pids() -> Iterator[int]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - names only
        if name.isdigit():
            yield int(name)


def mentions(pid: int, text: str) -> bool:
    """Whether ``text`` occurs in a process's command line, working folder or environment."""
    raw = text.encode()
    with contextlib.suppress(OSError):
        if raw in Path(f"/proc/{pid}/cmdline").read_bytes():
            return True
    with contextlib.suppress(OSError):
        folder = os.readlink(f"/proc/{pid}/cwd") + "/"  # noqa: PTH115 - may no longer be a path
        if text in folder:
            return True
    with contextlib.suppress(OSError):
        return raw in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def started_for(folder: Path, launches: str) -> list[int]:
    """Live processes started for an environment: they have its home, or are about to. A process that merely uses the
    folder, such as an operator's shell, isn't included."""
    home = f"HOME={folder}/home\0".encode()
    return [
        pid for pid in pids() if is_alive(pid) and (_environ_has(pid, home) or _is_launching(pid, folder, launches))
    ]


def _environ_has(pid: int, text: bytes) -> bool:
    with contextlib.suppress(OSError):
        return text in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _is_launching(pid: int, folder: Path, launches: str) -> bool:
    line = command_line(pid)
    return "launch.py " in line and (f"{folder}/run/" in line or launches in line)


def command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def is_alive(pid: int) -> bool:
    """A zombie isn't alive: it only waits to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


def process_name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    return ""


def environment_variable(pid: int, variable_name: str) -> str:
    """A variable from the environment that a process was started with."""
    wanted = f"{variable_name}=".encode()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(wanted):
                return entry[len(wanted) :].decode(errors="replace")
    return ""


def ancestors() -> set[int]:
    """This process and its ancestors."""
    return ancestry(os.getpid())


def ancestry(pid: int) -> set[int]:
    """A process and its ancestors."""
    found: set[int] = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            break
    return found


def mentioning(text: str) -> list[int]:
    """Live processes that mention ``text``, except this one and its ancestors."""
    own = ancestors()
    return [pid for pid in pids() if pid not in own and is_alive(pid) and mentions(pid, text)]


def kill(pids_to_kill: list[int], timeout: float = 5.0) -> None:
    """Kills the processes and waits until they have ended."""
    for pid in pids_to_kill:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    while any(is_alive(pid) for pid in pids_to_kill) and time.monotonic() < deadline:
        time.sleep(0.02)
