"""What ends the loop's sleep early. A wake carries no facts: it only says how much must be read again.

Webhooks, buttons and commands wake with ``look=True``: the Git host is asked again, or with ``only`` what they are
about. An operation that ended or a URL that answered changes nothing there, so those wakes reuse what was read within
the interval. Whatever wakes in between, everything is looked at once in each interval.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from orchestrator.core.model import Key

Only = frozenset[Key | int]
"""Pull requests, and repositories by id. Empty: no limit."""
NO_LIMIT: Only = frozenset()


@dataclass(frozen=True, slots=True)
class Look:
    """Whether the Git host must be asked again, and for what of it only."""

    wanted: bool = False
    only: Only = NO_LIMIT

    def and_(self, other: Look) -> Look:
        if not (self.wanted and other.wanted):
            return self if self.wanted else other
        return Look(True, self.only | other.only if self.only and other.only else NO_LIMIT)


NOTHING = Look()
EVERYTHING = Look(wanted=True)


class Wakeups:
    """Any number of wakes before a ``wait`` are one. ``wake`` may be called from the loop's thread only;
    ``wake_soon`` from any."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._look = NOTHING
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self, look: bool = False, only: Key | int | None = None) -> None:
        """``only``: what the host said has changed."""
        asked = Look(look or only is not None, NO_LIMIT if only is None else frozenset({only}))
        self._look = self._look.and_(asked)
        self._event.set()

    def wake_soon(self, look: bool = False, only: Key | int | None = None) -> None:
        """Before the first ``wait`` nobody sleeps yet, so that a plain note is enough."""
        if self._loop is None:
            self.wake(look, only)
            return
        with contextlib.suppress(RuntimeError):  # the loop ended: there is nothing left to wake
            self._loop.call_soon_threadsafe(self.wake, look, only)

    async def wait(self, seconds: float) -> Look:
        """Until the time is over or a wake comes."""
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the wake.
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
            look, self._look = self._look, NOTHING
            self._event.clear()
            return look
        self._look = NOTHING
        return EVERYTHING
