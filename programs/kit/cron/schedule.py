"""What the five fields of a cron expression mean: the same as for a CronJob of Kubernetes, in UTC.

A step counts from the start of its range, names of months and days have three letters, and Sunday is 0. If both the day
of the month and the day of the week are limited, one of them has to match.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta


@dataclass(frozen=True, slots=True)
class CronField:
    title: str
    first: int
    last: int
    names: tuple[str, ...] = ()
    """The names of its values, from ``first`` on."""


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS = (
    CronField("minute", 0, 59),
    CronField("hour", 0, 23),
    CronField("day", 1, 31),
    CronField("month", 1, 12, MONTHS),
    CronField("weekday", 0, 6, WEEKDAYS),
)
_LONGEST_MONTHS = dict(enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), 1))
_MAX_GAP = timedelta(days=8 * 366 + 1)
"""29 February doesn't exist from 2096 to 2104."""


class InvalidSchedule(ValueError):
    """``field`` and ``part`` say what can't be read. Without a field, the number of fields is wrong; without a part,
    no date ever matches."""

    def __init__(self, field: str = "", part: str = "") -> None:
        super().__init__(f"{field} {part}".strip())
        self.field = field
        self.part = part


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """``any_day`` and ``any_weekday``: the field is ``*``."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def next_after(self, moment: datetime) -> datetime:
        """The first minute after ``moment`` that matches, in its time zone."""
        start = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start
        while day - start <= _MAX_GAP:
            if self._includes_date(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        found = datetime.combine(day, time(hour, minute), moment.tzinfo)
                        if found >= start:
                            return found
            day += timedelta(days=1)
        raise InvalidSchedule(FIELDS[2].title)

    def _includes_date(self, date: datetime) -> bool:
        on_day, on_weekday = date.day in self.days, date.isoweekday() % 7 in self.weekdays
        matches = on_day and on_weekday if self.any_day or self.any_weekday else on_day or on_weekday
        return matches and date.month in self.months


def parse(text: str) -> CronSchedule:
    """Raises InvalidSchedule."""
    words = text.split()
    if len(words) != len(FIELDS):
        raise InvalidSchedule
    minutes, hours, days, months, weekdays = (_values(word, field) for word, field in zip(words, FIELDS, strict=True))
    schedule = CronSchedule(minutes, hours, days, months, weekdays, _is_any(words[2]), _is_any(words[4]))
    if schedule.any_weekday and not any(min(days) <= _LONGEST_MONTHS[month] for month in months):
        raise InvalidSchedule(FIELDS[2].title)
    return schedule


def _values(word: str, field: CronField) -> frozenset[int]:
    return frozenset(value for part in word.split(",") for value in _range(part, field))


def _range(part: str, field: CronField) -> range:
    span, slash, step = part.partition("/")
    low, dash, high = span.partition("-")
    if span == "*":
        first, last = field.first, field.last
    else:
        first = _value(low, field, part)
        last = _value(high, field, part) if dash else field.last if slash else first
    every = _number(step, field, part) if slash else 1
    if first > last or every < 1:
        raise InvalidSchedule(field.title, part)
    return range(first, last + 1, every)


def _value(text: str, field: CronField, part: str) -> int:
    if text.lower() in field.names:
        return field.first + field.names.index(text.lower())
    value = _number(text, field, part)
    if not field.first <= value <= field.last:
        raise InvalidSchedule(field.title, part)
    return value


def _number(text: str, field: CronField, part: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise InvalidSchedule(field.title, part)
    return int(text)


def _is_any(word: str) -> bool:
    return any(part in ("*", "*/1") for part in word.split(","))
