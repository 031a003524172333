"""A pseudo-terminal for a command: we have one end, and the command has the other as its standard streams."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Callable

from programs.exec_requests import TerminalSize

END_OF_INPUT = b"\x04"


class Terminal:
    """For one event loop, with at most one reader and one writer at a time."""

    def __init__(self, size: TerminalSize, *, raw: bool = False) -> None:
        self._ours, self.theirs = os.openpty()
        if raw:
            tty.setraw(self.theirs)
        os.set_blocking(self._ours, False)
        self._closed = asyncio.Event()
        self.resize(size)

    def resize(self, size: TerminalSize) -> None:
        """The program in the foreground is told."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))

    def hand_over(self) -> None:
        """The command has its end now. Once it and its children have closed theirs, reading ends."""
        os.close(self.theirs)

    async def read(self, limit: int) -> bytes:
        """Empty at the end."""
        loop = asyncio.get_running_loop()
        while not self._closed.is_set():
            try:
                return os.read(self._ours, limit)
            except BlockingIOError:
                await self._until(loop.add_reader, loop.remove_reader)
            except OSError:  # EIO: the other end is closed
                return b""
        return b""

    async def write(self, data: bytes) -> None:
        """Waits while the command doesn't read. What is left when it ends is lost."""
        loop = asyncio.get_running_loop()
        while data and not self._closed.is_set():
            try:
                data = data[os.write(self._ours, data) :]
            except BlockingIOError:
                await self._until(loop.add_writer, loop.remove_writer)
            except OSError:
                return

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._ours)
            loop.remove_writer(self._ours)
            os.close(self._ours)

    async def _until(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        ready, closed = asyncio.Event(), asyncio.create_task(self._closed.wait())
        add(self._ours, ready.set)
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({waiting, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            closed.cancel()
            if not self._closed.is_set():
                with contextlib.suppress(OSError, ValueError):
                    remove(self._ours)
