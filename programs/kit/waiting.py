"""Waiting that can be interrupted.

An operation has its own process. ``CANCELLED`` makes everything in that process that waits give up. Only the worker
sets it, and nothing clears it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from programs.kit import wording
from programs.kit.errors import Cancelled

CANCELLED = threading.Event()
POLL_SECONDS = 0.03


def pause(seconds: float) -> None:
    """Sleeps. Raises if the operation is cancelled meanwhile."""
    if CANCELLED.wait(seconds):
        raise Cancelled(wording.CANCELLED)


@dataclass(frozen=True, slots=True)
class WaitClock:
    """What waiting goes by. A test of something that takes AWS many minutes brings one in which they pass at once."""

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = pause


SYSTEM_CLOCK = WaitClock()


def wait_until(
    condition: Callable[[], bool], timeout: float, interval: float = POLL_SECONDS, clock: WaitClock = SYSTEM_CLOCK
) -> bool:
    """Whether the condition became true within the timeout."""
    deadline = clock.now() + timeout
    while not condition():
        if clock.now() > deadline:
            return False
        clock.pause(interval)
    return True
