"""Falling asleep and waking: the target stops or starts processes, and the tag records it. No Pulumi, no state.

The tag is written twice. First it records that the stack is asleep and that the change is half done. Then the target
acts, and then the final tag is written. Whatever the last step before a ``kill -9`` was, the next cycle finds an
environment that is asleep or half-way, and performs whichever change is desired by then: both are idempotent. A failed
start is reverted, so that nothing keeps failing unnoticed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from programs.registry import Sleeps, Target
from stacks.model import Operation, StackTag
from stacks.operations import wording

WriteTag = Callable[[StackTag], None]


class CannotSleep(RuntimeError):
    """The target can't stop an environment without destroying it."""


@dataclass(frozen=True, slots=True)
class SleepOperation:
    """``check_may_continue`` is called before each step that changes something, and raises if that is no longer
    allowed."""

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
        """Returns when it responds. ``asleep_since`` goes into the tag until it is awake."""
        tag, sleeper = self._tag(), self._sleep_target()
        asleep = replace(tag, asleep=asleep_since, awake_until=None)
        self.write_tag(replace(asleep, half=True))
        self.check_may_continue()
        try:
            sleeper.wake(self.operation.name, self.operation.settings)
        except Exception:
            with contextlib.suppress(Exception):  # it stays half-way, which the next cycle sees
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
            raise CannotSleep(wording.sleep_unsupported(self.operation.target))
        return self.target


def stay_asleep(target: Target, operation: Operation) -> None:
    """After an update that should start nothing: stops what the target had to start for it."""
    if not isinstance(target, Sleeps):
        raise CannotSleep(wording.sleep_unsupported(operation.target))
    target.sleep(operation.name, operation.settings)


def wake_without_waiting(target: Target, operation: Operation, previous_tag: StackTag | None) -> bool:
    """Before an update: starts a sleeping environment without waiting. So the old commit serves until the new one does,
    and the tag no longer says that it is asleep. An update killed right here finds it asleep and repeats this."""
    if previous_tag is None or previous_tag.asleep is None or not isinstance(target, Sleeps):
        return False
    target.wake(operation.name, operation.settings, wait=False)
    return True
