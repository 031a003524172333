"""Waits until a file in a folder is replaced, which the kernel reports through inotify.

Callers must still poll, with the timeout of each wait: the kernel doesn't report writes by other machines to a shared
folder, and inotify may be missing or out of watches.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from ctypes import CDLL
from pathlib import Path
from typing import Self

_IN_MOVED_TO = 0x80
_READ_BYTES = 64 * 1024


class FolderWatch:
    """A context manager for one task of a running event loop. A replacement before ``wait`` ends the next ``wait``."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._replaced = asyncio.Event()
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = _open(self._folders)
        if self._descriptor >= 0:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._descriptor)
            # In a thread, because the kernel first waits until nothing uses the watches any more: about ten
            # milliseconds, in which the loop would serve nobody.
            loop.run_in_executor(None, os.close, self._descriptor)
            self._descriptor = -1

    async def wait(self, seconds: float) -> bool:
        """Returns whether a file was replaced before the timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._replaced.wait()
            self._replaced.clear()
            return True
        return False

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, _READ_BYTES)
        self._replaced.set()


def _open(folders: tuple[Path, ...]) -> int:
    """Returns the descriptor, or -1 if inotify isn't available."""
    library = CDLL(None, use_errno=True)
    try:
        descriptor = int(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    except AttributeError:  # not Linux
        return -1
    for folder in folders if descriptor >= 0 else ():
        if library.inotify_add_watch(descriptor, os.fsencode(folder), _IN_MOVED_TO) < 0:
            os.close(descriptor)
            return -1
    return descriptor
