"""Waiting that can be cut short.

An operation has a process of its own; ``CANCELLED`` is how that process tells everything in it that waits to give
up. Nothing else sets it, and nothing clears it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from programs.local.errors import Interrupted

CANCELLED = threading.Event()
POLL = 0.03


def pause(seconds: float) -> None:
    """Sleeps, and raises when the operation was cancelled meanwhile."""
    if CANCELLED.wait(seconds):
        raise Interrupted("interrupted: the operation was asked to end early")


def until(true: Callable[[], bool], seconds: float, every: float = POLL) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        pause(every)
    return True
