"""Runs a command and ends whatever it left running: ``alone.py COMMAND ...``; what was left is a failure, and named.
``alone.py --allow-leftovers COMMAND ...`` is for broken code that is expected to leave some: it only ends them.

A process whose parent dies is given to the nearest ancestor that asked for such orphans. This one asks (Linux: "child
subreaper"), so that even a daemon with a session and a cleaned environment of its own is still found below it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
ALLOW_LEFTOVERS = "--allow-leftovers"


def below(pid: int) -> dict[int, str]:
    """All living descendants, with their command lines."""
    found: dict[int, str] = {}
    for child in children(pid):
        found |= {child: line(child)} | below(child)
    return found


def children(pid: int) -> list[int]:
    try:
        told = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []  # it ended meanwhile
    return [int(word) for word in " ".join(told).split()]


def line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:200]
    except OSError:
        return ""


def reap() -> None:
    """Takes note of children that have ended, so that they count as gone."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def wait(child: int) -> int:
    """The exit code of the command. Adopted orphans that end meanwhile are reaped, as init does it: a test that waits
    for a process to end would otherwise see it forever."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def left() -> dict[int, str]:
    """Looked at three times: while others end, the kernel's list of children may miss one."""
    for _ in range(3):
        reap()
        if found := {pid: told for pid, told in below(os.getpid()).items() if told}:
            return found
        time.sleep(0.02)
    return {}


def end() -> None:
    """Asks first. Ending a parent may hand us its children, so it goes on until nothing is left."""
    for sign, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        until = time.monotonic() + seconds
        while (found := left()) and time.monotonic() < until:
            for pid in found:
                try:
                    os.kill(pid, sign)
                except ProcessLookupError:
                    continue
            time.sleep(0.2)


def main(arguments: list[str]) -> int:
    allowed = arguments[:1] == [ALLOW_LEFTOVERS]
    command = arguments[1:] if allowed else arguments
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child.pid, signal.SIGTERM))
    try:
        code = wait(child.pid)
    except KeyboardInterrupt:
        code = wait(child.pid) or 130
    grace = time.monotonic() + 1.0  # a process that is just exiting isn't a leftover
    while left() and time.monotonic() < grace:
        time.sleep(0.1)
    found = {} if allowed else left()
    for pid, told in found.items():
        sys.stderr.write(f"ci: left running: {pid} {told}\n")
    end()
    return code or (1 if found else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
