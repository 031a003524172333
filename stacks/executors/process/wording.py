"""What people read about an operation whose process didn't return a result."""

from __future__ import annotations

NO_RESULT = "the operation's process exited without a result (killed, or out of memory)"


def not_started(kind: str, error: Exception) -> str:
    return f"couldn't start its process ({kind}: {error})"


def process_identity(pid: int, host: str) -> str:
    return f"process {pid} on {host}"


def interrupted_and_killed(seconds: float) -> str:
    return f"interrupted, and killed after {seconds:.0f} s"


def deadline_exceeded_and_killed(seconds: float) -> str:
    return f"it exceeded its deadline of {seconds:.0f} s and was killed"
