"""What ends the loop's sleep early. A wake carries no facts: it only says how much must be read again.

Webhooks, buttons and commands wake with ``look=True``: the Git host is asked again. An operation that ended or a URL
that answered changes nothing there, so those wakes reuse what was read within the interval.
"""

from __future__ import annotations

import asyncio
import contextlib


class Wakeups:
    """Any number of wakes before a ``wait`` are one. ``wake`` may be called from the loop's thread only;
    ``wake_soon`` from any."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._look = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self, look: bool = False) -> None:
        self._look = self._look or look
        self._event.set()

    def wake_soon(self, look: bool = False) -> None:
        """Before the first ``wait`` nobody sleeps yet, so that a plain note is enough."""
        if self._loop is None:
            self.wake(look)
            return
        with contextlib.suppress(RuntimeError):  # the loop ended: there is nothing left to wake
            self._loop.call_soon_threadsafe(self.wake, look)

    async def wait(self, seconds: float) -> bool:
        """Until the time is over or a wake comes; gives whether the Git host must be asked again."""
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the wake.
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
            look, self._look = self._look, False
            self._event.clear()
            return look
        self._look = False
        return True
