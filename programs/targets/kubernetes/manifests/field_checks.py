"""Checks for the fields of an object, assembled into the shape that it may have.

A check gets a value and the path to it, and yields a sentence for each problem. What a shape doesn't list is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

FieldCheck = Callable[[Any, str], Iterator[str]]


def mapping(fields: Mapping[str, FieldCheck]) -> FieldCheck:
    """Exactly these fields; each may be missing."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} must be a mapping"
            return
        for key, item in value.items():
            if key not in fields:
                yield f"{where}.{key} is not allowed in a preview"
            else:
                yield from fields[key](item, f"{where}.{key}")

    return check


def list_of(item_check: FieldCheck) -> FieldCheck:
    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{where} must be a list"
            return
        for index, item in enumerate(value):
            yield from item_check(item, f"{where}[{index}]")

    return check


def values_of(item_check: FieldCheck) -> FieldCheck:
    """A mapping with any keys."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} must be a mapping"
            return
        for key, item in value.items():
            yield from item_check(item, f"{where}.{key}")

    return check


def all_of(*checks: FieldCheck) -> FieldCheck:
    def check(value: Any, where: str) -> Iterator[str]:
        for each in checks:
            yield from each(value, where)

    return check


def with_required(check: FieldCheck, *names: str) -> FieldCheck:
    """The same, and these fields aren't missing."""

    def required(value: Any, where: str) -> Iterator[str]:
        yield from check(value, where)
        for name in names:
            if isinstance(value, dict) and name not in value:
                yield f"{where}.{name} is missing"

    return required


def number(most: int | None = None) -> FieldCheck:
    """A whole number that isn't negative."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            yield f"{where} must be a number, 0 or greater"
        elif most is not None and value > most:
            yield f"{where} is {value}; the limit in a preview is {most}"

    return check


def choice(*allowed: str) -> FieldCheck:
    def check(value: Any, where: str) -> Iterator[str]:
        if value not in allowed:
            yield f"{where} must be {' or '.join(item or 'empty' for item in allowed)}"

    return check


def rejected(reason: str) -> FieldCheck:
    def check(_: Any, where: str) -> Iterator[str]:
        yield f"{where} is not allowed in a preview: {reason}"

    return check


def anything(_: Any, __: str) -> Iterator[str]:
    yield from ()


def text(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{where} must be text; put it in quotes"


def flag(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{where} must be true or false"


def off(value: Any, where: str) -> Iterator[str]:
    if value is not False:
        yield f"{where} is not allowed in a preview"


def text_or_number(value: Any, where: str) -> Iterator[str]:
    """A port, a percentage or an amount."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        yield f"{where} must be text or a number"


texts = list_of(text)
text_map = values_of(text)
