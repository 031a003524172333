"""The command line of a scheduled service, and what its sandbox has to show for it."""

from __future__ import annotations

import shlex
from pathlib import Path

from programs.kit import cron
from programs.kit.processes import own_python

_PACKAGE = Path(cron.__file__).parent


def line(service: str, schedule: str, command: str) -> str:
    """Runs ``command`` in a shell at the times of the schedule."""
    words = [own_python.PROGRAM, "-I", "-S", str(_PACKAGE / "runner.py"), service, schedule, command]
    return f"exec {shlex.join(words)}"


def shown() -> tuple[Path, ...]:
    return (_PACKAGE, *own_python.shown())
