"""Waiting that can be cut short.

An operation has a process of its own; ``CANCELLED`` is how that process tells everything in it that waits to give
up. Nothing else sets it, and nothing clears it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from programs.kit.errors import Cancelled

CANCELLED = threading.Event()
POLL_SECONDS = 0.03


def pause(seconds: float) -> None:
    """Sleeps, and raises when the operation was cancelled meanwhile."""
    if CANCELLED.wait(seconds):
        raise Cancelled("interrupted: the operation was asked to end early")


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = POLL_SECONDS) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause(interval)
    return True
