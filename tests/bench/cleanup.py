"""Ends what a row left running and removes its files, however the row ended.

Every temporary folder of a row lies in one folder of its own. A process whose parent dies is given to the nearest
ancestor that asked for such orphans. This one asks (Linux: "child subreaper"), so that even a daemon is found below it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 3.0
"""What is just ending is not left over."""
END_SECONDS = 10.0


def adopt_orphans() -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def sandbox(leftovers: list[str]) -> Iterator[None]:
    """``leftovers``: gets a line for each process that still ran at the end, and for each file that could not go."""
    home = Path(tempfile.mkdtemp(prefix="eph-bench-"))
    home.chmod(0o755)
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(home)
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR", None)
        os.environ.update({"TMPDIR": variable} if variable is not None else {})
        leftovers += [f"process {line}" for line in _end_descendants()]
        leftovers += [f"folder {path}" for path in home.iterdir()]
        shutil.rmtree(home)


def _end_descendants() -> list[str]:
    """Asks first. Ending a parent may hand us its children, so it goes on until nothing is left."""
    _wait(GRACE_SECONDS)
    found = [f"{each.pid} {_command(each)}" for each in _descendants()]
    for force in (False, True):
        deadline = time.monotonic() + END_SECONDS
        while (left := _descendants()) and time.monotonic() < deadline:
            for each in left:
                _send(each, force)
            _wait(0.5)
    return found


def _wait(seconds: float) -> None:
    """Until nothing is left, or so long."""
    deadline = time.monotonic() + seconds
    while _descendants() and time.monotonic() < deadline:
        time.sleep(0.05)


def _descendants() -> list[psutil.Process]:
    _reap()
    return [each for each in psutil.Process().children(recursive=True) if _command(each)]


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _command(process: psutil.Process) -> str:
    """Empty when it has ended."""
    try:
        return " ".join(process.cmdline())[:200]
    except psutil.Error:
        return ""


def _send(process: psutil.Process, force: bool) -> None:
    try:
        (process.kill if force else process.terminate)()
    except psutil.NoSuchProcess:
        return
