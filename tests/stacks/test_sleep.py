"""Falling asleep and waking, interrupted at each step (L5, L2): what is left determines what to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from stacks import keys
from stacks.model import Operation, OperationVerb, StackRef, StackTag
from stacks.operations.sleep import CannotSleep, SleepOperation, wake_without_waiting

SINCE = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AWAKE = StackTag(keys.pull_request(1, 42), "acme/shop", "shop-x-42", "inc", "a" * 40, SINCE)
ASLEEP = StackTag(keys.pull_request(1, 42), "acme/shop", "shop-x-42", "inc", "a" * 40, SINCE, asleep=SINCE)


class Killed(BaseException):
    """``kill -9``: nothing gets cleaned up."""


class SleepWorld:
    """A tag, a target that can sleep, and a power failure after a number of steps."""

    def __init__(self, tag: StackTag, steps: int = 99, fails: bool = False) -> None:
        self.tag, self.running, self.steps, self.fails = tag, tag.asleep is None, steps, fails

    def step(self) -> None:
        if not self.steps:
            raise Killed
        self.steps -= 1

    def write(self, tag: StackTag) -> None:
        self.step()
        self.tag = tag

    def sleep(self, name: str, settings: Mapping[str, str]) -> None:
        assert (name, settings) == ("shop-x-42", {})
        self.step()
        self.running = False

    def wake(self, name: str, settings: Mapping[str, str], wait: bool = True) -> None:
        assert (name, settings) == ("shop-x-42", {})
        self.step()
        self.running = True
        if self.fails and wait:
            raise RuntimeError("service web ended 3 times")

    def sleep_operation(self, verb: OperationVerb, tag: StackTag) -> SleepOperation:
        operation = Operation(StackRef("eph-shop-1", "pr-42"), verb, "local", "shop-x-42", tag)
        target: Any = self
        return SleepOperation(operation, target, self.write, self.step)


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("verb", [OperationVerb.SLEEP, OperationVerb.WAKE])
def test_killed_at_any_step_it_is_complete_or_marked_half_way(verb: OperationVerb, steps: int) -> None:
    before, after = (AWAKE, ASLEEP) if verb is OperationVerb.SLEEP else (ASLEEP, AWAKE)
    world = SleepWorld(before, steps)
    with pytest.raises(Killed):
        _perform(world, verb, after)
    assert world.tag == before or (world.tag.half and world.tag.asleep == SINCE)
    assert world.tag.half or world.running is (before is AWAKE)
    world.steps = 99
    _perform(world, verb, after)
    assert (world.tag, world.running) == (after, verb is OperationVerb.WAKE)


def _perform(world: SleepWorld, verb: OperationVerb, tag: StackTag) -> None:
    resting = world.sleep_operation(verb, tag)
    if verb is OperationVerb.SLEEP:
        resting.sleep()
    else:
        resting.wake(SINCE)


def test_failed_start_is_reverted() -> None:
    world = SleepWorld(ASLEEP, fails=True)
    with pytest.raises(RuntimeError, match="service web"):
        _perform(world, OperationVerb.WAKE, AWAKE)
    assert (world.tag, world.running) == (ASLEEP, False)


def test_before_an_update_a_sleeping_environment_is_started_without_waiting() -> None:
    world = SleepWorld(ASLEEP, fails=True)
    target: Any = world
    operation = Operation(StackRef("eph-shop-1", "pr-42"), OperationVerb.UP, "local", "shop-x-42")
    assert wake_without_waiting(target, operation, ASLEEP)
    assert world.running
    assert not wake_without_waiting(target, operation, AWAKE)
    assert not wake_without_waiting(target, operation, None)


def test_target_without_sleep_is_reported() -> None:
    target: Any = object()
    operation = Operation(StackRef("eph-shop-1", "pr-42"), OperationVerb.SLEEP, "rocket", "shop-x-42", ASLEEP)
    with pytest.raises(CannotSleep, match="rocket"):
        SleepOperation(operation, target, lambda _: None, lambda: None).sleep()
