"""Ends what is still being served of a label deploy when it expires, however long its stream or WebSocket lasts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable


class DeployExpired(Exception):
    """It expired while it was being served."""


@contextlib.asynccontextmanager
async def until(end: Callable[[], float], now: Callable[[], float]) -> AsyncIterator[None]:
    """Interrupts the block at ``end``, and then raises DeployExpired. Both are in seconds since the epoch; the end may
    move while the block runs, so it is looked up again when it is reached."""
    loop, deadline = asyncio.get_running_loop(), asyncio.timeout(None)
    timer: asyncio.TimerHandle | None = None

    def check() -> None:
        nonlocal timer
        left = end() - now()
        if left > 0:
            timer = loop.call_later(left, check)
        else:
            deadline.reschedule(loop.time())

    try:
        async with deadline:
            check()
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise DeployExpired from None
    finally:
        if timer is not None:
            timer.cancel()
