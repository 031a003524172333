"""The loop's sleep (L1): any number of wakes are one, and a stop is never taken for one."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.runtime.wakeups import Wakeups


async def test_wakes_before_a_wait_are_one_and_the_strongest_counts() -> None:
    wakeups = Wakeups()
    wakeups.wake()
    wakeups.wake(look=True)
    wakeups.wake()
    assert await wakeups.wait(60) is True
    waiting = asyncio.create_task(wakeups.wait(60))
    await asyncio.sleep(0)
    wakeups.wake()
    assert await waiting is False


async def test_without_a_wake_everything_is_looked_at_when_the_time_is_over() -> None:
    assert await Wakeups().wait(0) is True


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
