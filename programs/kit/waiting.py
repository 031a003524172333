"""Waiting that can be interrupted.

An operation has its own process. ``CANCELLED`` makes everything in that process that waits give up. Only the worker
sets it, and nothing clears it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from programs.kit import wording
from programs.kit.errors import Cancelled

CANCELLED = threading.Event()
POLL_SECONDS = 0.03


def pause(seconds: float) -> None:
    """Sleeps. Raises if the operation is cancelled meanwhile."""
    if CANCELLED.wait(seconds):
        raise Cancelled(wording.CANCELLED)


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = POLL_SECONDS) -> bool:
    """Whether the condition became true within the timeout."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause(interval)
    return True
