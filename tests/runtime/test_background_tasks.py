"""Background works, probers and the loop's pace: what breaks is told, and nothing turns in a circle. L1, L2, P3."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestrator.runtime.background_tasks import COOLDOWN, BackgroundTasks
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.observation.health_monitor import HealthMonitor, ProbeRequest
from orchestrator.runtime.wakeups import FULL_REFRESH, UNLIMITED, RefreshScope, Wakeups
from stacks.model import StackRef
from tests.worlds.world import World
from tests.worlds.world_process import START

QUESTION = ProbeRequest(StackRef("eph-shop-rs", "pr-1"), "a" * 40, "http://shop.localhost", "/healthz")


class FakeClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


async def drain() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def test_background_failure_is_reported(caplog: pytest.LogCaptureFixture) -> None:  # L2
    told: list[str] = []
    errands = BackgroundTasks(FakeClock(), told.append)

    async def broken() -> None:
        raise KeyError("a fault")

    with caplog.at_level(logging.ERROR):
        errands.start(broken())
        await drain()
    assert told == ["KeyError: 'a fault'"]
    assert "Traceback" in caplog.text


async def test_task_runs_once_at_a_time_and_pauses_after_failure() -> None:  # L4
    clock, tries = FakeClock(), []
    errands = BackgroundTasks(clock, lambda _: None)

    async def failing() -> bool:
        tries.append(clock.now)
        return False

    for _ in range(3):
        errands.start_once("this", failing)
        await drain()
    assert len(tries) == 1
    clock.now += COOLDOWN + timedelta(seconds=1)
    errands.start_once("this", failing)
    await drain()
    assert len(tries) == 2
    clock.now -= timedelta(hours=1)  # somebody sets the clock back: nothing rests that long
    errands.start_once("this", failing)
    await drain()
    assert len(tries) == 3
    assert not errands.is_busy


async def test_one_that_breaks_rests_too_and_another_goes_on() -> None:  # pitfall 5
    told: list[str] = []
    errands = BackgroundTasks(FakeClock(), told.append)
    done = []

    async def broken() -> bool:
        raise OSError("no network")

    async def fine() -> bool:
        done.append("fine")
        return True

    for _ in range(3):
        errands.start_once("broken", broken)
        errands.start_once("fine", fine)
        await drain()
    assert told == ["OSError: no network"]
    assert done == ["fine"] * 3


async def test_a_prober_that_breaks_goes_on_asking() -> None:  # P3
    answers = iter([None, (False, "502"), (True, "200")])
    turned = asyncio.Event()
    reported: list[bool] = []

    async def probe(origin: str, path: str) -> tuple[bool, str]:
        found = next(answers)
        if found is None:
            raise ValueError("no such host name")
        return found

    async def no_sleep(_: float) -> None:
        if monitor.statuses[QUESTION.ref].ok:
            turned.set()
            await asyncio.Event().wait()

    monitor = HealthMonitor(probe, FakeClock(), reported.append, no_sleep)
    monitor.watch([QUESTION])
    async with asyncio.timeout(5):
        await turned.wait()
    assert monitor.statuses[QUESTION.ref].ok
    assert reported == [False, True]
    monitor.watch([])
    assert monitor.statuses == {}
    await monitor.close()


async def test_an_environment_responds_when_all_its_services_do() -> None:
    """P3: in the order of eph.yaml; no result before each was checked, except that of a service that fails."""
    web, api = (replace(QUESTION, origin=f"http://{name}.localhost", service=name) for name in ("web", "api"))
    gates, reported = {web.origin: asyncio.Event(), api.origin: asyncio.Event()}, list[bool]()
    failing, rounds = {api.origin}, asyncio.Queue[str]()
    paused: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def probe(origin: str, path: str) -> tuple[bool, str]:
        await gates[origin].wait()
        return origin not in failing, "302" if origin in failing else "200"

    async def sleep(_: float) -> None:
        await rounds.put("checked")
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await paused.put(due)
        await due

    monitor = HealthMonitor(probe, FakeClock(), reported.append, sleep)
    monitor.watch([web, api])
    gates[web.origin].set()
    await rounds.get()
    assert monitor.statuses == {}
    gates[api.origin].set()
    await rounds.get()
    assert (monitor.statuses[QUESTION.ref].ok, monitor.statuses[QUESTION.ref].detail) == (False, "service api: 302")
    failing.clear()
    for _ in range(2):
        (await paused.get()).set_result(None)
        await rounds.get()
    assert monitor.statuses[QUESTION.ref].ok
    assert reported == [False, True]
    await monitor.close()


async def test_first_results_are_awaited_only_for_a_limited_time() -> None:  # P3
    slow = asyncio.Event()

    async def probe(origin: str, path: str) -> tuple[bool, str]:
        await slow.wait()
        return True, "200"

    monitor = HealthMonitor(probe, FakeClock(), lambda _: None)
    await monitor.wait_for_first_results(60)  # nothing is watched
    monitor.watch([QUESTION])
    await monitor.wait_for_first_results(0.01)
    assert monitor.statuses == {}
    slow.set()
    await monitor.wait_for_first_results(60)
    assert monitor.statuses[QUESTION.ref].ok
    await monitor.close()


async def test_many_webhooks_cause_few_reads(world: World) -> None:  # L4, L6
    """In real time: the pace is what is tried. 60 wakes in a row are at most a handful of cycles."""
    looks: list[bool] = []
    wakeups = Wakeups()

    class Counted(Loop):
        async def cycle(self, refresh: bool, scope: RefreshScope = UNLIMITED, targets: bool = True) -> datetime:
            looks.append(refresh)
            return await super().cycle(refresh, scope, targets)

    parts = replace(world.loop._dependencies, wakeups=wakeups, min_refresh_interval=0.2)
    counted = Counted(parts, world.policy, lambda: datetime.now(tz=START.tzinfo), timedelta(seconds=30))
    began = asyncio.get_running_loop().time()
    running = asyncio.create_task(counted.run())
    for _ in range(60):
        wakeups.wake_soon(refresh=True)
        await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    took = asyncio.get_running_loop().time() - began
    assert 2 <= sum(looks) <= 3 + took / 0.2


async def test_a_wake_before_the_first_sleep_is_not_lost() -> None:  # L1
    wakeups = Wakeups()
    await asyncio.to_thread(wakeups.wake_soon, refresh=True)
    async with asyncio.timeout(5):
        assert await wakeups.wait(60) == FULL_REFRESH


async def test_a_wake_after_the_end_harms_nobody() -> None:  # L2
    wakeups = Wakeups()
    await wakeups.wait(0)
    ended = asyncio.new_event_loop()
    ended.close()
    wakeups._loop = ended
    wakeups.wake_soon(refresh=True)
