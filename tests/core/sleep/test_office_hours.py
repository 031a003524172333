"""Office hours in a time zone (C1 `schedule`)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.core.sleep import schedules


def utc(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_a_week_of_days_in_berlin() -> None:
    office = schedules.parse("Europe/Berlin", ("Mon-Fri 08:00-19:00",))
    monday = schedules.current(office, utc(2, 7))
    assert monday == schedules.OpenPeriod(utc(2, 7), utc(2, 18))
    assert schedules.current(office, utc(2, 6, 59)) is None
    assert schedules.current(office, utc(2, 18)) is None
    assert schedules.current(office, utc(7, 12)) is None, "a Saturday"
    assert (schedules.last_closing(office, utc(7, 12)), schedules.next_opening(office, utc(7, 12))) == (
        utc(6, 18),
        utc(9, 7),
    )


def test_summer_time_moves_them() -> None:
    office = schedules.parse("Europe/Berlin", ("Mon-Fri 08:00-19:00",))
    assert schedules.next_opening(office, utc(28, 12)) == utc(30, 6)


def test_the_day_on_which_it_begins_has_an_hour_less() -> None:
    night = schedules.current(schedules.parse("Europe/Berlin", ("Sat 22:00-06:00",)), utc(29, 0))
    assert night == schedules.OpenPeriod(utc(28, 21), utc(29, 4))


def test_over_midnight_over_the_week_and_side_by_side() -> None:
    nights = schedules.parse("UTC", ("Fri-Sun 22:00-06:00",))
    assert schedules.current(nights, utc(9, 5)) == schedules.OpenPeriod(utc(8, 22), utc(9, 6)), "into Monday"
    assert schedules.current(schedules.parse("UTC", ("Sat-Mon 00:00-24:00",)), utc(8, 12)) == schedules.OpenPeriod(
        utc(7, 0), utc(10, 0)
    )
    two = schedules.parse("UTC", ("Mon 08:00-12:00", "Mon 12:00-14:00"))
    assert schedules.current(two, utc(2, 11)) == schedules.OpenPeriod(utc(2, 8), utc(2, 14))


@pytest.mark.parametrize(
    ("zone", "span", "why"),
    [
        ("Europe/Atlantis", "Mon 08:00-09:00", "unknown time zone 'Europe/Atlantis'"),
        ("../../etc/passwd", "Mon 08:00-09:00", "unknown time zone"),
        ("UTC", "Mon 25:00-26:00", "25:00 isn't a time of day"),
        ("UTC", "Mon 08:60-09:00", "08:60 isn't a time of day"),
    ],
)
def test_unknown_zones_and_times_are_rejected(zone: str, span: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        schedules.parse(zone, (span,))
