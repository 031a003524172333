"""Errors of the administrator's own sessions, and retries while an environment uses up what it shares with them.

The session guard ends that within seconds, so reading, updating and destroying the other environments only wait.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import psycopg

from programs.kit.database import wording
from programs.kit.errors import TargetError
from programs.kit.waiting import SYSTEM_CLOCK, WaitClock

SECONDS, INTERVAL = 10.0, 0.25
_STATES = ("53200", "53300")
_REFUSALS = ("out of shared memory", "too many clients already", "remaining connection slots")
"""A refused session has no state, only the server's words: English ones, because the embedded server's locale is C."""
P = ParamSpec("P")
T = TypeVar("T")


class ServerExhausted(TargetError):
    """PostgreSQL has no locks, memory or connections left."""


def is_exhausted(error: psycopg.Error) -> bool:
    return error.sqlstate in _STATES or (error.sqlstate is None and any(words in str(error) for words in _REFUSALS))


def translate(error: psycopg.Error) -> TargetError:
    kind = ServerExhausted if is_exhausted(error) else TargetError
    return kind(wording.server_failed(error))


def retried(operation: Callable[P, T], clock: WaitClock = SYSTEM_CLOCK) -> Callable[P, T]:
    """Repeats an operation that can be repeated while it raises ServerExhausted, for a limited time."""

    @functools.wraps(operation)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        deadline = clock.now() + SECONDS
        while True:
            try:
                return operation(*args, **kwargs)
            except ServerExhausted:
                if clock.now() > deadline:
                    raise
            clock.pause(INTERVAL)

    return attempt
