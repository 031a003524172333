"""Executors by name, which is the setting ``executor``.

Each folder next to this module is an executor, and so is each entry point of the group ``eph.executors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from programs.quoting import quote
from programs.settings import InvalidValue
from stacks import adapters
from stacks.executors import wording
from stacks.executors.port import Executor, ExecutorAdapter, ExecutorSettings

ENTRY_POINT_GROUP = "eph.executors"
DEFAULT = "process"


def get(name: str) -> ExecutorAdapter:
    """Raises InvalidValue."""
    found = installed().get(name)
    if found is None:
        names = ", ".join(sorted(installed()))
        raise InvalidValue(wording.unknown_executor(quote(name)), wording.installed_executors(names))
    return found


def open_executor(name: str, settings: ExecutorSettings) -> Executor:
    return get(name).open(settings)


@cache
def installed() -> Mapping[str, ExecutorAdapter]:
    found = adapters.find(__package__, ENTRY_POINT_GROUP, ExecutorAdapter)
    return {adapter.name: adapter for adapter in found}
