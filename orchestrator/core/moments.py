"""How long something that was noted lasts, on a clock that somebody may set back.

What was noted "later than now" was noted before the clock was set back. How long ago that is, nobody can tell any more;
it is taken as over, or a pause of seconds would last as long as the clock was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


def lasts(since: datetime, length: timedelta, now: datetime) -> bool:
    return since <= now < since + length


@dataclass(frozen=True, slots=True)
class Rest:
    """A pause: since when, and how long."""

    since: datetime
    length: timedelta

    @property
    def until(self) -> datetime:
        return self.since + self.length

    def lasts(self, now: datetime) -> bool:
        return lasts(self.since, self.length, now)
