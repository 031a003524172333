"""Waits for a process that the demo has started."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def wait_until_ready(
    process: subprocess.Popen[bytes], is_ready: Callable[[], bool], seconds: float, interval: float = 0.05
) -> bool:
    """False: it has ended, or isn't ready in time."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
