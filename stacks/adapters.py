"""Finds the adapters of a port: one folder each next to the port's registry, or an entry point of another package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from importlib import metadata
from typing import TypeVar

ATTRIBUTE = "ADAPTER"
Adapter = TypeVar("Adapter")


def find(package: str, group: str, kind: type[Adapter]) -> Iterator[Adapter]:
    """Imports every package below ``package`` and returns its ``ADAPTER``, then those of the entry points of
    ``group``."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.ispkg:
            yield _checked(getattr(importlib.import_module(f"{package}.{module.name}"), ATTRIBUTE), module.name, kind)
    for point in metadata.entry_points(group=group):
        yield _checked(point.load(), point.value, kind)


def _checked(found: object, source: str, kind: type[Adapter]) -> Adapter:
    if not isinstance(found, kind):
        raise TypeError(f"{source}: {ATTRIBUTE} is {type(found).__name__}, not {kind.__name__}")
    return found
