"""The lease by an injected clock and a row in memory: who leads, from when to when, and never two (O2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger.databases import BadDatabaseUrl
from orchestrator.ledger.fake import FakeLease
from orchestrator.ledger.lease import Lease, NoLease, PostgresLease, Timing, running_clock
from orchestrator.ledger.lease_rows import UNKNOWN, LeaseUnavailable, Row

TIMING = Timing()
T = TypeVar("T")


class World:
    """The one row, and the time."""

    def __init__(self) -> None:
        self.row = Row(UNKNOWN, 0, 0)
        self.now = 1000.0
        self.late: list[Callable[[], object]] = []

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class Wire:
    """One replica's way to the row: may be cut, slow to ask, slow to answer, or lose what it is told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.cut = False
        self.loses: str = ""
        self.asking = 0.0
        self.answering = 0.0
        self.asked = 0

    def read(self) -> Row:
        return self._over(lambda: self._world.row)

    def renew(self, holder: str, epoch: int) -> bool:
        def renewed() -> bool:
            row = self._world.row
            fits = (row.holder, row.epoch) == (holder, epoch)
            if fits:
                self._world.row = Row(holder, epoch, row.beat + 1)
            return fits

        return self._over(renewed)

    def take(self, seen: Row, holder: str) -> int:
        def taken() -> int:
            if self._world.row != seen:
                return 0
            self._world.row = Row(holder, seen.epoch + 1, seen.beat + 1)
            return seen.epoch + 1

        return self._over(taken)

    def release(self, holder: str) -> None:
        def released() -> None:
            row = self._world.row
            if row.holder == holder:
                self._world.row = Row("", row.epoch, row.beat + 1)

        self._over(released)

    def close(self) -> None:
        """Nothing to end."""

    def _over(self, work: Callable[[], T]) -> T:
        self.asked += 1
        if self.cut:
            raise LeaseUnavailable("cut")
        self._world.pass_(self.asking)
        if self.loses == "late":  # on its way for long, and carried out at last
            self._world.late.append(work)
            raise LeaseUnavailable("no answer yet")
        answer = work()
        self._world.pass_(self.answering)
        if self.loses == "answer":
            raise LeaseUnavailable("the answer is lost")
        return answer


def replicas(world: World, count: int = 2) -> tuple[list[PostgresLease], list[Wire]]:
    wires = [Wire(world) for _ in range(count)]
    return [PostgresLease("", "eph", timing=TIMING, clock=lambda: world.now, rows=wire) for wire in wires], wires


async def led(world: World, lease: PostgresLease) -> None:
    """It waits as long as it takes for a row of which nothing is known, and leads."""
    await lease.turn()
    world.pass_(TIMING.lease)
    await lease.turn()
    assert lease.leads()


async def test_a_row_of_which_nothing_is_known_is_watched_before_it_is_taken() -> None:
    """It may be new because its database was lost, and another may still lead by the old one."""
    world = World()
    (one, _), _ = replicas(world)
    await one.turn()
    world.pass_(TIMING.lease - 0.01)
    await one.turn()
    assert (one.leads(), one.epoch) == (False, 0)
    world.pass_(0.01)
    await one.turn()
    assert (one.leads(), one.epoch) == (True, 1)


async def test_it_leads_until_its_time_is_over_and_no_longer() -> None:
    world = World()
    (one, _), (wire, _) = replicas(world)
    await led(world, one)
    assert one.until == world.now + TIMING.valid
    wire.cut = True
    world.pass_(TIMING.valid - 0.01)
    await one.turn()
    assert one.leads()
    world.pass_(0.01)
    assert not one.leads()


async def test_its_time_counts_from_when_it_asked_not_from_the_answer() -> None:
    world = World()
    (one, _), (wire, _) = replicas(world)
    await led(world, one)
    asked, wire.answering = world.now, 3.0
    await one.turn()
    assert one.until == asked + TIMING.valid


async def test_neither_does_it_when_it_takes_the_row() -> None:
    world = World()
    (one, _), (wire, _) = replicas(world)
    await one.turn()
    wire.answering = 9.0
    await one.turn()
    assert (one.epoch, one.leads()) == (1, False)
    assert one.until == world.now - 9.0 + TIMING.valid


async def test_watching_counts_from_the_answer_not_from_when_it_asked() -> None:
    """What the row said may have been written just before the answer."""
    world = World()
    (one, _), (wire, _) = replicas(world)
    wire.asking = 5.0
    await one.turn()
    wire.asking = 0.0
    world.pass_(TIMING.lease - 0.01)
    await one.turn()
    assert not one.leads()


async def test_asking_whether_it_leads_asks_nobody() -> None:
    world = World()
    (one, _), (wire, _) = replicas(world)
    await led(world, one)
    before = wire.asked
    assert all(one.leads() for _ in range(100))
    assert wire.asked == before
    assert await one.confirm()
    assert wire.asked == before + 1


async def test_another_waits_while_it_is_renewed_and_takes_it_when_it_is_not() -> None:
    world = World()
    (one, two), _ = replicas(world)
    await led(world, one)
    for _ in range(10):
        world.pass_(TIMING.renew)
        await one.turn()
        await two.turn()
    assert (one.leads(), two.leads()) == (True, False)
    world.pass_(TIMING.lease)
    await two.turn()
    assert (one.leads(), two.leads(), two.epoch) == (False, True, 2)


async def test_who_slept_finds_that_it_leads_no_more_before_it_asks_anyone() -> None:
    world = World()
    (one, two), (wire, _) = replicas(world)
    await led(world, one)
    await two.turn()
    world.pass_(3600)
    asked = wire.asked
    assert not one.leads()
    assert wire.asked == asked
    await two.turn()
    assert not await one.confirm()
    await one.turn()
    assert (one.leads(), two.leads()) == (False, True)


async def test_who_slept_and_was_not_replaced_leads_on_in_its_epoch() -> None:
    world = World()
    (one, _), _ = replicas(world)
    await led(world, one)
    world.pass_(3600)
    await one.turn()
    assert (one.leads(), one.epoch) == (True, 1)


async def test_confirming_finds_what_a_clock_that_stood_still_hides() -> None:
    """A virtual machine that was frozen with its clock: only asking helps."""
    world = World()
    (one, _), _ = replicas(world)
    await led(world, one)
    world.row = Row("another", 2, 99)
    assert one.leads()
    assert not await one.confirm()
    assert not one.leads()


async def test_an_error_in_between_starts_the_watching_anew() -> None:
    """The database may have come back as an older copy of itself."""
    world = World()
    (_, two), (_, wire) = replicas(world)
    await two.turn()
    world.pass_(TIMING.lease / 2)
    wire.cut = True
    await two.turn()
    wire.cut = False
    world.pass_(TIMING.lease / 2)
    await two.turn()
    assert not two.leads()
    world.pass_(TIMING.lease)
    await two.turn()
    assert two.leads()


async def test_a_change_of_the_leader_is_told_once_also_when_time_alone_makes_it() -> None:
    """In real time, as it is the event loop that tells."""
    world, told = World(), list[bool]()
    wire = Wire(world)
    timing = Timing(lease=0.2, margin=0.05, renew=0.05, poll=0.02)
    lease = PostgresLease("", "eph", timing=timing, rows=wire)
    began, over = asyncio.Event(), asyncio.Event()

    def changed(leads: bool) -> None:
        told.append(leads)
        (began if leads else over).set()
        raise RuntimeError("a listener's trouble is its own")

    lease.changed = changed
    running = asyncio.create_task(lease.run())
    async with asyncio.timeout(5):
        await began.wait()
        wire.cut = True
        await over.wait()
    assert told[:2] == [True, False]
    wire.cut = False
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.row.free


async def test_one_alone_always_leads() -> None:
    lease: Lease = NoLease()
    told: list[bool] = []
    lease.changed = told.append
    running = asyncio.create_task(lease.run())
    await asyncio.sleep(0)
    assert lease.leads()
    assert await lease.confirm()
    assert lease.until > running_clock() + 1e9
    assert (told, lease.epoch) == ([True], 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_replicas_need_postgresql() -> None:
    with pytest.raises(BadDatabaseUrl, match="by PostgreSQL"):
        PostgresLease("sqlite:////tmp/x.db", "eph")


STEP = st.tuples(
    st.integers(0, 2),
    st.sampled_from([*["turn"] * 6, "cut", "mend", "mend", "arrive", "confirm", "stop"]),
    st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.5, 7.4, 9.0]),
    st.sampled_from([0.0, 0.0, 0.0, 1.0, 8.0]),
    st.sampled_from(["", "", "", "", "answer", "late"]),
)


@settings(max_examples=100)
@given(st.lists(STEP, min_size=10, max_size=60))
def test_never_two_whatever_is_slow_lost_late_or_cut(
    steps: list[tuple[int, str, float, float, str]],
) -> None:
    assert asyncio.run(most_at_once(steps)) <= 1


async def most_at_once(steps: list[tuple[int, str, float, float, str]]) -> int:
    world = World()
    leases, wires = replicas(world, 3)
    most = 0
    for who, what, passing, slow, loses in steps:
        lease, wire = leases[who], wires[who]
        world.pass_(passing)
        most = max(most, sum(each.leads() for each in leases))
        wire.asking, wire.answering, wire.loses = slow / 2, slow / 2, loses
        match what:
            case "turn":
                await lease.turn()
            case "confirm":
                await lease.confirm()
            case "stop":
                leases[who] = await restarted(world, lease, wire)
            case "arrive":
                for work in world.late[:1]:
                    work()
                    world.late.pop(0)
            case _:
                wire.cut = what == "cut"
        most = max(most, sum(each.leads() for each in leases))
    for each in leases:
        each._thread.shutdown()
    return most


async def restarted(world: World, lease: PostgresLease, wire: Wire) -> PostgresLease:
    """It gives back what it has, and another life of it begins."""
    await lease._give_back()
    return PostgresLease("", "eph", timing=TIMING, clock=lambda: world.now, rows=wire)


async def test_the_simulation_does_see_leaders() -> None:
    """So that the property above cannot hold for the lack of any."""
    steps = [(0, "turn", 9.0, 0.0, ""), (0, "turn", 9.0, 0.0, ""), (1, "turn", 0.0, 0.0, "")]
    assert await most_at_once(steps) == 1


async def test_the_lease_of_tests_leads_when_it_is_told_to() -> None:
    lease: Lease = (fake := FakeLease())
    told: list[bool] = []
    lease.changed = told.append
    assert (lease.leads(), lease.epoch) == (False, 0)
    fake.tell(True)
    assert lease.leads()
    assert lease.until > running_clock()
    assert await lease.confirm()
    fake.tell(False)
    assert not lease.leads()
    assert lease.until == float("-inf")
    fake.tell(True)
    assert (told, lease.epoch) == ([True, False, True], 2)
