"""Why an environment goes to sleep or wakes up."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.core.util import formatting

SLEEP_INTERRUPTED = "the last sleep or wake-up was interrupted"


def woken_by(person: str) -> str:
    return f"{person} woke it"


def put_to_sleep_by(person: str) -> str:
    return f"{person} put it to sleep"


def kept_awake_by(person: str) -> str:
    return f"{person} kept it awake"


def visited(at: datetime) -> str:
    return f"visited at {formatting.timestamp(at)}"


def hours_began(schedule: object, at: datetime) -> str:
    return f"its scheduled hours ({schedule}) began at {formatting.timestamp(at)}"


def outside_hours(schedule: object) -> str:
    return f"outside its scheduled hours ({schedule})"


def idle(since: datetime, timeout: timedelta) -> str:
    return f"no visit since {formatting.timestamp(since)} (idle timeout: {formatting.duration(timeout)})"


def idle_rule(timeout: timedelta, destroys: bool) -> str:
    return f"{'destroyed' if destroys else 'sleeps'} after {formatting.duration(timeout)} without a visit"


def schedule_rule(schedule: object) -> str:
    return f"sleeps outside of {schedule}"


UNUSED_PREFIX = "unused"
"""The first word of the expiry reason that the commit status carries."""


def unused(timeout: timedelta) -> str:
    return f"{UNUSED_PREFIX} for {formatting.duration(timeout)}, and its eph.yaml says on_idle: destroy"
