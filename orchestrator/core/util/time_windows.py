"""Time windows that survive a clock that is set back.

A start in the future was recorded before the clock was set back, and its real age is unknown. The window then counts as
over; otherwise a pause of seconds could last as long as the clock was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


def is_within(start: datetime, length: timedelta, now: datetime) -> bool:
    return start <= now < start + length


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A pause with a start and a length."""

    start: datetime
    length: timedelta

    @property
    def end(self) -> datetime:
        return self.start + self.length

    def contains(self, now: datetime) -> bool:
        return is_within(self.start, self.length, now)
