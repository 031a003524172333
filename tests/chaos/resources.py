"""What a run borrows of the machine: small disks that can be full, a clock that can jump, and time that passes only as
fast as the machine has room for us.

Disks are tmpfs mounts in a mount namespace of the run's own, so that nothing outlives it; that needs root. The clock
needs a C compiler. Where one is not to be had, its faults find nothing to break, and are not counted.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
_NEWNS, _PRIVATE, _DETACH = 0x00020000, (1 << 18) | (1 << 14), 2


def enter_mount_namespace() -> bool:
    """A mount namespace of this process's own. Called before any thread is started."""
    libc = ctypes.CDLL(None)
    return bool(libc.unshare(_NEWNS) == 0 and libc.mount(b"none", b"/", None, _PRIVATE, None) == 0)


class Disk:
    """A folder that is a small disk of its own, when ``alone`` said yes."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder = folder
        folder.mkdir(parents=True, mode=0o700)
        told = f"size={megabytes}m,mode=700".encode()
        self.is_mounted = ctypes.CDLL(None).mount(b"tmpfs", bytes(folder), b"tmpfs", 0, told) == 0

    def fill(self) -> None:
        block = b"\0" * 65536
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(block)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        if self.is_mounted:
            ctypes.CDLL(None).umount2(bytes(self._folder), _DETACH)

    @property
    def _filler(self) -> Path:
        return self._folder / "filler"


class Clock:
    """The time of day as everything of the run sees it, but for Pulumi, which asks the kernel itself."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        self.jumps: list[tuple[float, float]] = []
        """When the clock was wrong, in seconds since the epoch."""
        self._file, library = folder / "ahead", folder / "clock.so"
        self.set(0)
        self.environ: dict[str, str] = {}
        compiler = shutil.which("cc")
        words = [str(compiler), "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
        if compiler and subprocess.run(words, capture_output=True, timeout=60).returncode == 0:
            self.environ = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._file)}

    def set(self, ahead: int) -> None:
        now = time.time()
        if self.jumps and self.jumps[-1][1] > now:
            self.jumps[-1] = (self.jumps[-1][0], now)
        if ahead:
            self.jumps.append((now, math.inf))
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("l", ahead))


class CpuShareClock:
    """Seconds in which the machine had room: where four want to run on two processors, half of them.

    A machine that others keep busy makes everything later, and says nothing about Eph.
    """

    def __init__(self) -> None:
        self._processors = len(os.sched_getaffinity(0))
        self._before = time.monotonic()
        self.now = 0.0

    def update(self) -> None:
        """Called often: each time counts what went by since the last."""
        now = time.monotonic()
        self.now += (now - self._before) * min(1.0, self._processors / max(1, _running()))
        self._before = now


def _running() -> int:
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
