"""Durations in the form people write them: ``30m``, ``72h``, ``7d``, ``1h30m``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from programs.eph_yaml import wording
from programs.quoting import quote
from programs.settings import InvalidValue

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_PATTERN = r"^([0-9]{1,6}(w|d|h|m|s))+$"
_WHOLE = re.compile(r"(?:[0-9]{1,6}[wdhms]){1,5}")
_PART = re.compile(r"([0-9]{1,6})([wdhms])")
_MOST = timedelta(days=365)


def parse_duration(value: Any) -> timedelta:
    """Parses a duration. Raises ``InvalidValue`` for invalid syntax, for zero and for more than a year."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _WHOLE.fullmatch(value.strip()):
        raise InvalidValue(wording.invalid_duration(quote(value)), wording.DURATION_EXAMPLE)
    length = timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(value)))
    if not timedelta(0) < length <= _MOST:
        raise InvalidValue(wording.out_of_range(quote(value)), wording.DURATION_RANGE)
    return length


def format_duration(length: timedelta) -> str:
    """The shortest form with whole units. ``72h`` stays in hours; longer durations use days."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0 and (unit != "d" or seconds > 3 * size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["30m", "72h", "7d"]}),
]
