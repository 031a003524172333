"""Wakes the loop early. A wake-up carries no facts; it only says how much to read again.

Webhooks, buttons and commands refresh the Git host, or only the ``scope`` that they are about. A finished operation or
a URL that responds changes nothing there, so those wake-ups reuse what was read within the interval. Requests to
sleeping environments, URLs that respond, test suites and answers of the Git host change nothing on the targets either.
Independently of wake-ups, everything is read once per interval.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace

from stacks.model import Key

RefreshScope = frozenset[Key | int]
"""Pull requests, and repositories by id. Empty: no limit."""
UNLIMITED: RefreshScope = frozenset()


@dataclass(frozen=True, slots=True)
class Refresh:
    """Whether to read the Git host again, which part of it, and whether to list the targets again."""

    needed: bool = False
    scope: RefreshScope = UNLIMITED
    targets: bool = True

    def merge(self, other: Refresh) -> Refresh:
        targets = self.targets or other.targets
        if not (self.needed and other.needed):
            return replace(self if self.needed else other, targets=targets)
        return Refresh(True, self.scope | other.scope if self.scope and other.scope else UNLIMITED, targets)


NO_REFRESH = Refresh()
FULL_REFRESH = Refresh(needed=True)


class Wakeups:
    """Wake-ups before a ``wait`` are merged. Call ``wake`` only from the loop's thread, ``wake_soon`` from any."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._refresh: Refresh | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self, refresh: bool = False, scope: Key | int | None = None, targets: bool = True) -> None:
        """``scope``: what changed, according to the Git host."""
        asked = Refresh(refresh or scope is not None, UNLIMITED if scope is None else frozenset({scope}), targets)
        self._refresh = asked if self._refresh is None else self._refresh.merge(asked)
        self._event.set()

    def wake_for_health(self, responds: bool) -> None:
        """An environment began or stopped responding. Something of one that stopped may be lost."""
        self.wake(targets=not responds)

    def wake_soon(self, refresh: bool = False, scope: Key | int | None = None) -> None:
        """Before the first ``wait``, nothing is sleeping, so recording the wake-up is enough."""
        if self._loop is None:
            self.wake(refresh, scope)
            return
        with contextlib.suppress(RuntimeError):  # the loop ended: there is nothing left to wake
            self._loop.call_soon_threadsafe(self.wake, refresh, scope)

    async def wait(self, seconds: float) -> Refresh:
        """Wait until the timeout or a wake-up."""
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the wake.
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
            look, self._refresh = self._refresh or NO_REFRESH, None
            self._event.clear()
            return look
        self._refresh = None
        return FULL_REFRESH
