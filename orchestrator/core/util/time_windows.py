"""How long something that was noted lasts, on a clock that somebody may set back.

What was noted "later than now" was noted before the clock was set back. How long ago that is, nobody can tell any more;
it is taken as over, or a pause of seconds would last as long as the clock was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


def is_within(start: datetime, length: timedelta, now: datetime) -> bool:
    return start <= now < start + length


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A pause: since when, and how long."""

    start: datetime
    length: timedelta

    @property
    def end(self) -> datetime:
        return self.start + self.length

    def contains(self, now: datetime) -> bool:
        return is_within(self.start, self.length, now)
