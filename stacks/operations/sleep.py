"""Falling asleep and waking up: the target stops or starts what runs, and the tag says so. No Pulumi, no state.

The tag is written twice. First it says that the stack sleeps and that this is half done; then comes the target; then
the tag as it shall be. Whatever the last step before a ``kill -9`` was, the next look finds an environment that sleeps,
or one that is half way, and does again whichever of the two is wanted by then: both are idempotent. A start that fails
is taken back, so that nothing goes on failing behind everybody's back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from programs.registry import Sleeps, Target
from stacks.model import Operation, StackTag

WriteTag = Callable[[StackTag], None]


class CannotSleep(RuntimeError):
    """The target has no way to stop an environment without destroying it."""


@dataclass(frozen=True, slots=True)
class SleepOperation:
    """``check_may_continue`` is asked before each step that changes something, and raises when it must not be done any
    more."""

    operation: Operation
    target: Target
    write_tag: WriteTag
    check_may_continue: Callable[[], None]

    def sleep(self) -> None:
        tag, sleeper = self._tag(), self._sleep_target()
        self.write_tag(replace(tag, half=True))
        self.check_may_continue()
        sleeper.sleep(self.operation.name, self.operation.settings)
        self.write_tag(tag)

    def wake(self, asleep_since: datetime) -> None:
        """Returns when it answers. ``asleep_since``: since when it has, for the tag that says so until it is awake."""
        tag, sleeper = self._tag(), self._sleep_target()
        asleep = replace(tag, asleep=asleep_since, awake_until=None)
        self.write_tag(replace(asleep, half=True))
        self.check_may_continue()
        try:
            sleeper.wake(self.operation.name, self.operation.settings)
        except Exception:
            with contextlib.suppress(Exception):  # then it stays half-way, and is found so
                sleeper.sleep(self.operation.name, self.operation.settings)
                self.write_tag(asleep)
            raise
        self.write_tag(tag)

    def _tag(self) -> StackTag:
        if self.operation.tag is None:
            raise ValueError(f"{self.operation.verb} needs a tag")
        return self.operation.tag

    def _sleep_target(self) -> Sleeps:
        if not isinstance(self.target, Sleeps):
            raise CannotSleep(f"the target {self.operation.target} cannot put environments to sleep")
        return self.target


def wake_without_waiting(target: Target, operation: Operation, previous_tag: StackTag | None) -> bool:
    """Before an update: what sleeps is started, and not waited for. So the old commit answers until the new one does,
    and the tag may forget that it slept: an update that is killed right here finds it asleep, and does it again."""
    if previous_tag is None or previous_tag.asleep is None or not isinstance(target, Sleeps):
        return False
    target.wake(operation.name, operation.settings, wait=False)
    return True
