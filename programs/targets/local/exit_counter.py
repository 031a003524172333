"""Counts how often a supervised program has exited: supervisord starts it again, so one observation doesn't tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_EXITS = 3
"""A program that exits so often while it is waited for has failed."""
CHECK_INTERVAL = 0.2
"""Seconds between questions to supervisord, which answers one at a time, while a program starts."""
_EXITED = ("BACKOFF", "EXITED", "FATAL")


@dataclass(slots=True)
class ExitCounter:
    """Counts from repeated observations."""

    _seen: set[tuple[int, int]] = field(default_factory=set)

    def count(self, info: Mapping[str, Any]) -> int:
        """``info`` as ``supervisor.info`` returns it. Returns the exits so far."""
        if info.get("statename") in _EXITED:
            self._seen.add((info["start"], info["stop"]))
        return len(self._seen)
