"""What breaks in our own parts stops nobody else. L2, L7, pitfall 5."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta

import pytest

from orchestrator.core.phases import Phase
from orchestrator.runtime import observe
from orchestrator.runtime.executor import PURGES_AT_ONCE
from stacks.model import Operation, OperationResult
from tests.stories.town import Town


async def test_an_operation_that_raises_frees_its_lane_and_is_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # L8
    start = town.stacks.start
    broken = [True]

    class Broken:
        async def wait(self) -> OperationResult:
            raise RuntimeError("the pipe broke")

        def interrupt(self) -> None:
            """Too late."""

    def once(operation: Operation, progress):
        return Broken() if broken and broken.pop() else start(operation, progress)

    monkeypatch.setattr(town.stacks, "start", once)
    number = town.open()
    await town.live(seconds=5)
    assert town.executor.running == {}
    assert town.phase(number) is Phase.FAILED
    assert "the pipe broke" in town.comment(number)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_one_that_cannot_be_started_stops_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # pitfall 5
    bad, good = town.open("bad"), town.open("good")
    start, ref = town.stacks.start, town.ref(bad)

    def refusing(operation: Operation, progress):
        if operation.ref == ref:
            raise OSError("no process could be started")
        return start(operation, progress)

    monkeypatch.setattr(town.stacks, "start", refusing)
    await town.live(minutes=1)
    assert town.phase(good) is Phase.READY
    assert any("no process could be started" in sentence for sentence in town.said("cycle.failed"))
    monkeypatch.undo()
    await town.live(minutes=1)
    assert town.phase(bad) is Phase.READY


async def test_a_show_that_fails_does_not_fail_the_cycle(town: Town) -> None:  # L2
    def full(_: object) -> None:
        raise OSError("no space left on device")

    town.loop.audience = (full, town.herald.show)
    number = town.open()
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY
    assert "Ready" in town.comment(number)
    assert len(town.said("cycle.failed")) == 1


async def test_a_cycle_that_fails_is_followed_by_the_next(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # L2
    def broken() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(town.stacks, "snapshot", broken)
    number = town.open()
    due = await town.cycle()
    assert due - town.now == timedelta(seconds=5)
    monkeypatch.undo()
    await town.live(seconds=6)
    assert town.phase(number) is Phase.READY
    assert town.said("cycle.recovered")


async def test_stacks_that_cannot_all_be_read_are_neither_made_twice_nor_destroyed(town: Town) -> None:  # L7
    number = town.open()
    await town.live(minutes=1)
    town.stacks.incomplete = "one object could not be read"
    another = town.open("another")
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY
    assert town.stack(another) is None
    town.stacks.incomplete = ""
    await town.live(minutes=1)
    assert town.phase(another) is Phase.READY


async def test_few_may_go_within_the_hour_and_the_next_ones_are_held(town: Town) -> None:  # L7
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:5]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=3)
    assert len(town.stacks.records) == 5
    town.forge.vanish(town.shop, numbers[5])
    await town.live(minutes=3)
    assert len(town.stacks.records) == 5
    town.forge.close_pull(town.shop, numbers[6])  # stated by the Git host: that one may go
    await town.live(minutes=3)
    assert len(town.stacks.records) == 4
    await town.live(hours=1)
    assert len(town.stacks.records) == 3


async def test_leftovers_are_purged_two_at_a_time_and_the_living_are_left_alone(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # L7, L6
    number = town.open()
    await town.live(minutes=1)
    purge, under_way, most = town.target.purge, [], []

    def counted(name: str, told: Mapping[str, str]) -> None:
        under_way.append(name)
        most.append(len(under_way))
        time.sleep(0.02)  # in a thread: long enough for others to begin meanwhile
        purge(name, told)
        under_way.remove(name)

    monkeypatch.setattr(town.target, "purge", counted)
    town.target.leftovers.update(f"shop-old-name-{each}" for each in range(100, 105))
    await town.live(minutes=2)
    assert town.target.leftovers == set()
    assert town.phase(number) is Phase.READY
    assert len(town.said("sweep.removed")) == 5
    assert max(most) <= PURGES_AT_ONCE


async def test_a_purge_that_fails_rests_and_is_told_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # L7
    tries = []

    def stuck(name: str, _: object) -> None:
        tries.append(name)
        raise OSError("the folder is busy")

    monkeypatch.setattr(town.target, "purge", stuck)
    town.target.leftovers.add("shop-old-name-100")
    await town.live(minutes=5)
    assert 3 < len(tries) <= 35
    assert len(town.said("cycle.failed")) == 1
    monkeypatch.undo()
    await town.live(minutes=1)
    assert town.target.leftovers == set()


async def test_nothing_in_the_background_ends_without_a_word(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # L2
    number = town.open()
    await town.live(minutes=1)

    def broken(*_: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(town.forge, "pull", broken)
    town.forge.change(town.shop, number, state="closed")
    town.forge._homes[town.shop.id].pulls.pop(number)
    await town.live(minutes=1)
    assert any("a fault of ours" in sentence for sentence in town.said("cycle.failed"))
    assert len(town.stacks.records) == 1


async def test_a_target_that_hangs_holds_nobody_up(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:  # pitfall 5
    """It is asked once, not once a cycle: threads are few."""
    hangs, asked = threading.Event(), []

    def never() -> frozenset[str]:
        asked.append(town.now)
        hangs.wait(20)
        return frozenset()

    monkeypatch.setattr(observe, "PATIENCE", 0.02)
    town.loop._parts.observer._sources.targets["other"] = never
    number = town.open()
    town.target.leftovers.add("shop-old-name-7")
    await town.live(minutes=2)
    assert town.phase(number) is Phase.READY
    assert town.target.leftovers == set()
    assert len(asked) == 1
    hangs.set()
    await town.live(minutes=1)
    assert len(asked) > 1
