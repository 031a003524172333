"""A person's order that the server starts nothing, until someone resumes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """``at`` is None if it isn't known since when: the record of the pause can't be read."""

    by: str
    at: datetime | None
    reason: str = ""
