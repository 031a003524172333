"""The machine's process table: finds processes by what they mention, and kills them.

psutil reads it. The exceptions are the start time, which psutil converts to wall-clock time (``start_ticks``), and
``launch.py``, which runs without third-party packages.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

_UNREADABLE = (psutil.Error, OSError)
"""A process can make itself unreadable: psutil passes on that a working folder's path is too long."""


def pids() -> list[int]:
    return psutil.pids()


def mentions(pid: int, text: str) -> bool:
    """Whether ``text`` occurs in a process's command line, working folder or environment."""
    return text in command_line(pid) or text in f"{_working_folder(pid)}/" or _environment_mentions(pid, text)


def started_for(folder: Path, launches: str) -> list[int]:
    """Live processes started for an environment: they have its home, or are about to. A process that merely uses the
    folder, such as an operator's shell, isn't included."""
    home = f"{folder}/home"
    return [
        pid
        for pid in pids()
        if is_alive(pid) and (environment_variable(pid, "HOME") == home or _is_launching(pid, folder, launches))
    ]


def command_line(pid: int) -> str:
    with contextlib.suppress(*_UNREADABLE):
        return " ".join(psutil.Process(pid).cmdline()).strip()
    return ""


def is_alive(pid: int) -> bool:
    """A zombie isn't alive: it only waits to be reaped."""
    with contextlib.suppress(*_UNREADABLE):
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    return False


def process_name(pid: int) -> str:
    with contextlib.suppress(*_UNREADABLE):
        return psutil.Process(pid).name()
    return ""


def environment(pid: int) -> dict[str, str]:
    """What a process was started with; empty if it can't be read."""
    with contextlib.suppress(*_UNREADABLE):
        return psutil.Process(pid).environ()
    return {}


def environment_variable(pid: int, variable_name: str) -> str:
    """A variable from the environment that a process was started with."""
    return environment(pid).get(variable_name, "")


def ancestors() -> set[int]:
    """This process and its ancestors."""
    return ancestry(os.getpid())


def ancestry(pid: int) -> set[int]:
    """A process and its ancestors."""
    with contextlib.suppress(*_UNREADABLE):
        return {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
    return {pid}


def children(pid: int) -> list[int]:
    """The processes that a process started itself."""
    return _below(pid, recursive=False)


def descendants(pid: int) -> list[int]:
    return _below(pid, recursive=True)


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


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None if it doesn't exist or is a zombie.

    psutil adds the boot time, which moves when the wall clock is corrected. A live process would then look like
    another one, and could lose its lock.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # The command's name may contain spaces and parentheses.
    return None if state in "ZX" else int(fields[18])


def _is_launching(pid: int, folder: Path, launches: str) -> bool:
    line = command_line(pid)
    return "launch.py " in line and (f"{folder}/run/" in line or launches in line)


def _below(pid: int, recursive: bool) -> list[int]:
    with contextlib.suppress(*_UNREADABLE):
        return [child.pid for child in psutil.Process(pid).children(recursive=recursive)]
    return []


def _working_folder(pid: int) -> str:
    with contextlib.suppress(*_UNREADABLE):
        return psutil.Process(pid).cwd()
    return ""


def _environment_mentions(pid: int, text: str) -> bool:
    return any(text in f"{name}={value}" for name, value in environment(pid).items())
