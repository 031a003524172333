"""How ephd ends: on SIGTERM or SIGINT, or because a part failed that it can't run without."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Coroutine

EXIT_GRACE_SECONDS = 3.0


def on_stop_signal() -> asyncio.Event:
    """An event that is set by SIGTERM or SIGINT from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def wait_for_stop(stop: asyncio.Event, failure: Coroutine[None, None, None]) -> None:
    """Raises what ``failure`` raises, so that a supervisor restarts ephd."""
    stopped, failed = asyncio.create_task(stop.wait()), asyncio.create_task(failure)
    try:
        await asyncio.wait({stopped, failed}, return_when=asyncio.FIRST_COMPLETED)
        if failed.done() and not stopped.done():
            failed.result()
    finally:
        stopped.cancel()
        failed.cancel()
        await asyncio.gather(stopped, failed, return_exceptions=True)


def exit_soon() -> None:
    """Ends the process even if a thread still waits for a Git host that doesn't respond. Call it after everything is
    saved."""
    last = threading.Timer(EXIT_GRACE_SECONDS, os._exit, (0,))
    last.daemon = True
    last.start()
