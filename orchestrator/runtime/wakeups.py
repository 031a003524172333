"""What ends the loop's sleep early. A wake carries no facts: it only says how much must be read again.

Webhooks, buttons and commands wake with ``look=True``: the Git host is asked again, or with ``only`` what they are
about. An operation that ended or a URL that answered changes nothing there, so those wakes reuse what was read within
the interval. Whatever wakes in between, everything is looked at once in each interval.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from stacks.model import Key

RefreshScope = frozenset[Key | int]
"""Pull requests, and repositories by id. Empty: no limit."""
UNLIMITED: RefreshScope = frozenset()


@dataclass(frozen=True, slots=True)
class Refresh:
    """Whether the Git host must be asked again, and for what of it only."""

    needed: bool = False
    scope: RefreshScope = UNLIMITED

    def merge(self, other: Refresh) -> Refresh:
        if not (self.needed and other.needed):
            return self if self.needed else other
        return Refresh(True, self.scope | other.scope if self.scope and other.scope else UNLIMITED)


NO_REFRESH = Refresh()
FULL_REFRESH = Refresh(needed=True)


class Wakeups:
    """Any number of wakes before a ``wait`` are one. ``wake`` may be called from the loop's thread only;
    ``wake_soon`` from any."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._refresh = NO_REFRESH
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self, refresh: bool = False, scope: Key | int | None = None) -> None:
        """``scope``: what the host said has changed."""
        asked = Refresh(refresh or scope is not None, UNLIMITED if scope is None else frozenset({scope}))
        self._refresh = self._refresh.merge(asked)
        self._event.set()

    def wake_soon(self, refresh: bool = False, scope: Key | int | None = None) -> None:
        """Before the first ``wait`` nobody sleeps yet, so that a plain note is enough."""
        if self._loop is None:
            self.wake(refresh, scope)
            return
        with contextlib.suppress(RuntimeError):  # the loop ended: there is nothing left to wake
            self._loop.call_soon_threadsafe(self.wake, refresh, scope)

    async def wait(self, seconds: float) -> Refresh:
        """Until the time is over or a wake comes."""
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the wake.
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
            look, self._refresh = self._refresh, NO_REFRESH
            self._event.clear()
            return look
        self._refresh = NO_REFRESH
        return FULL_REFRESH
