"""The loop's sleep (L1): any number of wakes are one, and a stop is never taken for one."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.runtime.wakeups import FULL_REFRESH, NO_REFRESH, Refresh, Wakeups
from stacks import keys


async def test_wakes_before_a_wait_are_one_and_the_strongest_counts() -> None:
    wakeups = Wakeups()
    wakeups.wake()
    wakeups.wake(refresh=True)
    wakeups.wake()
    assert await wakeups.wait(60) == FULL_REFRESH
    waiting = asyncio.create_task(wakeups.wait(60))
    await asyncio.sleep(0)
    wakeups.wake()
    assert await waiting == NO_REFRESH


async def test_without_a_wake_everything_is_looked_at_when_the_time_is_over() -> None:
    assert await Wakeups().wait(0) == FULL_REFRESH


async def test_what_changed_is_all_that_is_asked_until_somebody_wants_everything() -> None:
    """L1, L4: webhooks of two repositories are one look at those two; a button in between widens it."""
    wakeups = Wakeups()
    wakeups.wake(scope=7)
    wakeups.wake()
    wakeups.wake(scope=keys.pull_request(8, 3))
    assert await wakeups.wait(60) == Refresh(True, frozenset({7, keys.pull_request(8, 3)}))
    for wake in ({"scope": 7}, {"refresh": True}, {"scope": 8}):
        wakeups.wake(**wake)
    assert await wakeups.wait(60) == FULL_REFRESH


async def test_a_visit_lists_the_targets_only_if_something_else_asks() -> None:
    wakeups = Wakeups()
    wakeups.wake(targets=False)
    wakeups.wake(targets=False)
    assert await wakeups.wait(60) == Refresh(targets=False)
    for other in ({}, {"scope": 7}, {"refresh": True}):
        wakeups.wake(targets=False)
        wakeups.wake(**other)
        assert (await wakeups.wait(60)).targets


@pytest.mark.parametrize("ticks", range(4))
async def test_a_stop_in_the_same_moment_as_a_wake_stops(ticks: int) -> None:
    """ephd once hung at its end: the wake was taken, and the stop was lost."""
    wakeups = Wakeups()

    async def forever() -> None:
        while True:
            await wakeups.wait(60)

    loop = asyncio.create_task(forever())
    await asyncio.sleep(0)
    wakeups.wake()
    for _ in range(ticks):
        await asyncio.sleep(0)
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=1)
    assert done
    assert loop.cancelled()


async def test_an_environment_that_stopped_responding_makes_the_targets_be_listed() -> None:
    """L9: something of it may be lost. One that responds changes nothing there."""
    wakeups = Wakeups()
    for responds in (True, False):
        wakeups.wake_for_health(responds)
        assert await wakeups.wait(60) == Refresh(targets=not responds)
