"""Checks for the fields of an object, assembled into the shape that it may have.

A check gets a value and the path to it, and yields a sentence for each problem. What a shape doesn't list is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from programs.targets.kubernetes.manifests import wording

FieldCheck = Callable[[Any, str], Iterator[str]]


def mapping(fields: Mapping[str, FieldCheck]) -> FieldCheck:
    """Exactly these fields; each may be missing."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield wording.fields.must_be_mapping(where)
            return
        for key, item in value.items():
            if key not in fields:
                yield wording.fields.not_allowed(f"{where}.{key}")
            else:
                yield from fields[key](item, f"{where}.{key}")

    return check


def list_of(item_check: FieldCheck) -> FieldCheck:
    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield wording.fields.must_be_list(where)
            return
        for index, item in enumerate(value):
            yield from item_check(item, f"{where}[{index}]")

    return check


def values_of(item_check: FieldCheck) -> FieldCheck:
    """A mapping with any keys."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield wording.fields.must_be_mapping(where)
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
                yield wording.fields.missing(where, name)

    return required


def number(most: int | None = None) -> FieldCheck:
    """A whole number that isn't negative."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            yield wording.fields.must_be_number(where)
        elif most is not None and value > most:
            yield wording.fields.above_limit(where, value, most)

    return check


def choice(*allowed: str) -> FieldCheck:
    def check(value: Any, where: str) -> Iterator[str]:
        if value not in allowed:
            yield wording.fields.must_be_one_of(where, allowed)

    return check


def rejected(reason: str) -> FieldCheck:
    def check(_: Any, where: str) -> Iterator[str]:
        yield wording.fields.not_allowed_because(where, reason)

    return check


def anything(_: Any, __: str) -> Iterator[str]:
    yield from ()


def text(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield wording.fields.must_be_text(where)


def flag(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield wording.fields.must_be_flag(where)


def off(value: Any, where: str) -> Iterator[str]:
    if value is not False:
        yield wording.fields.not_allowed(where)


def text_or_number(value: Any, where: str) -> Iterator[str]:
    """A port, a percentage or an amount."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        yield wording.fields.must_be_text_or_number(where)


texts = list_of(text)
text_map = values_of(text)
