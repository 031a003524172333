"""Office hours: weekly spans in a time zone, and the current or next one at a given time.

Times are local times, so the day on which daylight saving time starts is an hour shorter. A span that doesn't end after
its start ends on the next day. Adjacent and overlapping spans are merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LOOKAHEAD_DAYS = 9
"""Days to look ahead: a weekly span recurs within eight days."""


@dataclass(frozen=True, slots=True)
class WeeklySpan:
    """``days`` as numbers from Monday = 0; times in minutes after midnight, up to 1440."""

    days: frozenset[int]
    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class OpenPeriod:
    """One period of being open, in UTC."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True)
class WeeklySchedule:
    """``text`` is the original notation, for messages."""

    zone: str
    spans: tuple[WeeklySpan, ...]
    text: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.zone}".strip()


def parse(zone: str, spans: tuple[str, ...]) -> WeeklySchedule:
    """``Mon-Fri 08:00-19:00``; raises ValueError for an unknown time zone or time."""
    try:
        ZoneInfo(zone)
    except (KeyError, OSError, ValueError) as error:  # unknown zone, missing file, or not a name
        raise ValueError(f"unknown time zone {zone[:60]!r}") from error
    return WeeklySchedule(zone, tuple(_parse_span(text) for text in spans), ", ".join(spans))


def _parse_span(text: str) -> WeeklySpan:
    days, _, times = text.partition(" ")
    first, _, last = days.partition("-")
    opens, _, closes = times.partition("-")
    began, ended = DAYS.index(first), DAYS.index(last or first)
    listed = range(began, ended + 1 if ended >= began else ended + 8)
    return WeeklySpan(frozenset(day % 7 for day in listed), _parse_minutes(opens), _parse_minutes(closes))


def _parse_minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > 1440:
        raise ValueError(f"{text} isn't a time of day; use a value such as 08:00, or 24:00 for midnight")
    return found


def current(schedule: WeeklySchedule, now: datetime) -> OpenPeriod | None:
    """The current open period, if any."""
    return next((found for found in _merged_periods(schedule, now) if found.opens <= now < found.closes), None)


def next_opening(schedule: WeeklySchedule, now: datetime) -> datetime | None:
    return next((found.opens for found in _merged_periods(schedule, now) if found.opens > now), None)


def last_closing(schedule: WeeklySchedule, now: datetime) -> datetime | None:
    return max((found.closes for found in _merged_periods(schedule, now) if found.closes <= now), default=None)


def open_share(schedule: WeeklySchedule, now: datetime) -> Decimal:
    """The share of the coming week in which it is open."""
    end, seconds = now + timedelta(days=7), 0.0
    for found in _merged_periods(schedule, now):
        seconds += max(0.0, (min(found.closes, end) - max(found.opens, now)).total_seconds())
    return (Decimal(seconds) / (7 * 86400)).quantize(Decimal("0.001"))


@lru_cache(maxsize=256)
def _merged_periods(schedule: WeeklySchedule, now: datetime) -> tuple[OpenPeriod, ...]:
    """Merged periods around now, in order. Cached, because one plan needs them for many environments."""
    merged: list[OpenPeriod] = []
    for found in sorted(_all_periods(schedule, now), key=lambda each: (each.opens, each.closes)):
        if merged and found.opens <= merged[-1].closes:
            merged[-1] = OpenPeriod(merged[-1].opens, max(merged[-1].closes, found.closes))
        else:
            merged.append(found)
    return tuple(merged)


def _all_periods(schedule: WeeklySchedule, now: datetime) -> Iterator[OpenPeriod]:
    zone = ZoneInfo(schedule.zone)
    today = now.astimezone(zone).date()
    for ahead in range(-LOOKAHEAD_DAYS, LOOKAHEAD_DAYS + 1):
        day = today + timedelta(days=ahead)
        for span in schedule.spans:
            if day.weekday() in span.days:
                over = 1440 if span.closes <= span.opens else 0
                found = OpenPeriod(_at(day, span.opens, zone), _at(day, span.closes + over, zone))
                if found.opens < found.closes:
                    yield found


def _at(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    days, rest = divmod(minutes, 1440)
    return datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), zone).astimezone(UTC)
