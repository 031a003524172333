"""What breaks in our own parts stops nobody else. L2, L7, pitfall 5."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import timedelta

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.runtime.observation import observer
from orchestrator.runtime.operations.executor import MAX_CONCURRENT_PURGES
from programs.fake import FakeTarget
from tests.worlds.world import World


async def test_an_operation_that_raises_frees_its_lane_and_is_told(world: World) -> None:  # L8
    world.stacks.break_next_lane("the pipe broke")
    number = world.open_pull()
    await world.run_for(seconds=5)
    assert world.executor.running == {}
    assert world.phase(number) is Phase.FAILED
    assert "the pipe broke" in world.comment(number)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_one_that_cannot_be_started_stops_nobody(world: World) -> None:  # pitfall 5
    bad, good = world.open_pull("bad"), world.open_pull("good")
    world.stacks.refuse_start(world.ref(bad), "no process could be started")
    await world.run_for(minutes=1)
    assert world.phase(good) is Phase.READY
    assert any("no process could be started" in sentence for sentence in world.event_messages("cycle.failed"))
    world.stacks.refuse_start(world.ref(bad), "")
    await world.run_for(minutes=1)
    assert world.phase(bad) is Phase.READY


async def test_a_show_that_fails_does_not_fail_the_cycle(world: World) -> None:  # L2
    def full(_: object) -> None:
        raise OSError("no space left on device")

    world.listeners.append(full)
    number = world.open_pull()
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY
    assert "Ready" in world.comment(number)
    assert len(world.event_messages("cycle.failed")) == 1


async def test_a_cycle_that_fails_is_followed_by_the_next(world: World) -> None:  # L2
    world.stacks.backend.error = "the disk is gone"
    number = world.open_pull()
    due = await world.run_cycle()
    assert due - world.now == timedelta(seconds=5)
    world.stacks.backend.error = ""
    await world.run_for(seconds=6)
    assert world.phase(number) is Phase.READY
    assert world.event_messages("cycle.recovered")


async def test_stacks_that_cannot_all_be_read_are_neither_made_twice_nor_destroyed(world: World) -> None:  # L7
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.stacks.backend.incomplete = "one object could not be read"
    another = world.open_pull("another")
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.READY
    assert world.stack(another) is None
    world.stacks.backend.incomplete = ""
    await world.run_for(minutes=1)
    assert world.phase(another) is Phase.READY


async def test_few_may_go_within_the_hour_and_the_next_ones_are_held(world: World) -> None:  # L7
    numbers = [world.open_pull(str(each)) for each in range(10)]
    await world.run_for(minutes=2)
    for number in numbers[:5]:
        world.forge.vanish(world.shop, number)
    await world.run_for(minutes=3)
    assert len(world.stacks.records) == 5
    world.forge.vanish(world.shop, numbers[5])
    await world.run_for(minutes=3)
    assert len(world.stacks.records) == 5
    world.close_pull(numbers[6])  # stated by the Git host: that one may go
    await world.run_for(minutes=3)
    assert len(world.stacks.records) == 4
    await world.run_for(hours=1)
    assert len(world.stacks.records) == 3


async def test_leftovers_are_purged_two_at_a_time_and_the_living_are_left_alone(world: World) -> None:  # L7, L6
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.blocking_calls.in_threads = True
    world.target.hold_purges()
    world.target.leftovers.update(f"shop-old-name-{each}" for each in range(100, 105))
    running = asyncio.create_task(world.run_for(minutes=2))
    async with asyncio.timeout(20):
        while len(world.target.purging) < MAX_CONCURRENT_PURGES:
            await asyncio.sleep(0.001)
    world.target.release_purges()
    await running
    assert world.target.leftovers == set()
    assert world.phase(number) is Phase.READY
    assert len(world.event_messages("sweep.removed")) == 5
    assert world.target.peak_purges == MAX_CONCURRENT_PURGES


async def test_a_purge_that_fails_rests_and_is_told_once(world: World) -> None:  # L7
    world.target.purge_error = "the folder is busy"
    world.target.leftovers.add("shop-old-name-100")
    await world.run_for(minutes=5)
    assert 3 < world.target.purge_attempts <= 35
    assert len(world.event_messages("cycle.failed")) == 1
    world.target.purge_error = ""
    await world.run_for(minutes=1)
    assert world.target.leftovers == set()


async def test_nothing_in_the_background_ends_without_a_word(world: World) -> None:  # L2
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.fail_next(KeyError("a fault of ours"), "pull", count=1000)
    world.forge.update_pull(world.shop, number, state="closed")
    world.forge._repositories[world.shop.id].pulls.pop(number)
    await world.run_for(minutes=1)
    assert any("a fault of ours" in sentence for sentence in world.event_messages("cycle.failed"))
    assert len(world.stacks.records) == 1


class HangingTarget(FakeTarget):
    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.asked = 0

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        self.asked += 1
        self.hangs.wait(20)
        return frozenset()


async def test_a_target_that_hangs_holds_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:  # pitfall 5
    """It is asked once, not once a cycle: threads are few."""
    other = HangingTarget()
    world.blocking_calls.in_threads = True
    world.targets["other"] = other
    await world.crash()
    monkeypatch.setattr(observer, "TARGET_TIMEOUT", 0.02)
    number = world.open_pull()
    world.target.leftovers.add("shop-old-name-7")
    await world.run_for(minutes=2)
    assert world.phase(number) is Phase.READY
    assert world.target.leftovers == set()
    assert other.asked == 1
    other.hangs.set()
    await world.run_for(minutes=1)
    assert other.asked > 1
