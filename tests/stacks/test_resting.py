"""Falling asleep and waking up, interrupted at each step (L5, L2): what is left says what to do again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from stacks.model import Operation, StackRef, Tag, Verb
from stacks.resting import CannotSleep, Resting, rouse

SINCE = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AWAKE = Tag(1, "acme/shop", 42, "shop-x-42", "inc", "a" * 40, SINCE)
ASLEEP = Tag(1, "acme/shop", 42, "shop-x-42", "inc", "a" * 40, SINCE, asleep=SINCE)


class Killed(BaseException):
    """``kill -9``: nobody gets to tidy up."""


class World:
    """A tag, a target that can sleep, and a power cut after so many steps."""

    def __init__(self, tag: Tag, steps: int = 99, fails: bool = False) -> None:
        self.tag, self.runs, self.steps, self.fails = tag, tag.asleep is None, steps, fails

    def step(self) -> None:
        if not self.steps:
            raise Killed
        self.steps -= 1

    def write(self, tag: Tag) -> None:
        self.step()
        self.tag = tag

    def sleep(self, name: str, settings: Mapping[str, str]) -> None:
        assert (name, settings) == ("shop-x-42", {})
        self.step()
        self.runs = False

    def wake(self, name: str, settings: Mapping[str, str], patient: bool = True) -> None:
        assert (name, settings) == ("shop-x-42", {})
        self.step()
        self.runs = True
        if self.fails and patient:
            raise RuntimeError("service web ended 3 times")

    def resting(self, verb: Verb, tag: Tag) -> Resting:
        operation = Operation(StackRef("eph-shop-1", "pr-42"), verb, "local", "shop-x-42", tag)
        target: Any = self
        return Resting(operation, target, self.write, self.step)


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("verb", [Verb.SLEEP, Verb.WAKE])
def test_killed_at_any_step_it_is_whole_or_says_that_it_is_half_way(verb: Verb, steps: int) -> None:
    before, after = (AWAKE, ASLEEP) if verb is Verb.SLEEP else (ASLEEP, AWAKE)
    world = World(before, steps)
    with pytest.raises(Killed):
        _perform(world, verb, after)
    assert world.tag == before or (world.tag.half and world.tag.asleep == SINCE)
    assert world.tag.half or world.runs is (before is AWAKE)
    world.steps = 99
    _perform(world, verb, after)
    assert (world.tag, world.runs) == (after, verb is Verb.WAKE)


def _perform(world: World, verb: Verb, tag: Tag) -> None:
    resting = world.resting(verb, tag)
    if verb is Verb.SLEEP:
        resting.sleep()
    else:
        resting.wake(SINCE)


def test_a_start_that_fails_is_taken_back() -> None:
    world = World(ASLEEP, fails=True)
    with pytest.raises(RuntimeError, match="service web"):
        _perform(world, Verb.WAKE, AWAKE)
    assert (world.tag, world.runs) == (ASLEEP, False)


def test_before_an_update_what_sleeps_is_started_and_not_waited_for() -> None:
    world = World(ASLEEP, fails=True)
    target: Any = world
    operation = Operation(StackRef("eph-shop-1", "pr-42"), Verb.UP, "local", "shop-x-42")
    assert rouse(target, operation, ASLEEP)
    assert world.runs
    assert not rouse(target, operation, AWAKE)
    assert not rouse(target, operation, None)


def test_a_target_that_cannot_says_so() -> None:
    target: Any = object()
    operation = Operation(StackRef("eph-shop-1", "pr-42"), Verb.SLEEP, "rocket", "shop-x-42", ASLEEP)
    with pytest.raises(CannotSleep, match="rocket"):
        Resting(operation, target, lambda _: None, lambda: None).sleep()
