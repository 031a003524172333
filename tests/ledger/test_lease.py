"""The lease with an injected clock and a row in memory: who leads, from when to when, and never two (O2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger.database_engine import BadDatabaseUrl
from orchestrator.ledger.fake import FakeLease
from orchestrator.ledger.lease import Lease, NoLease, PostgresLease, Timing
from orchestrator.ledger.lease_store import UNKNOWN_HOLDER, LeaseRow, LeaseUnavailable
from stacks.process_identity import boot_clock

TIMING = Timing()
T = TypeVar("T")


class LeaseWorld:
    """The one row, and the time."""

    def __init__(self) -> None:
        self.row = LeaseRow(UNKNOWN_HOLDER, 0, 0)
        self.now = 1000.0
        self.late: list[Callable[[], object]] = []

    def advance(self, seconds: float) -> None:
        self.now += seconds


class UnreliableRows:
    """One replica's connection to the row: may be cut, slow to send, slow to respond, or lose messages."""

    def __init__(self, world: LeaseWorld) -> None:
        self._world = world
        self.cut = False
        self.lost_calls: str = ""
        self.request_delay = 0.0
        self.response_delay = 0.0
        self.calls = 0

    def read(self) -> LeaseRow:
        return self._call(lambda: self._world.row)

    def renew(self, holder: str, epoch: int) -> bool:
        def renewed() -> bool:
            row = self._world.row
            fits = (row.holder, row.epoch) == (holder, epoch)
            if fits:
                self._world.row = LeaseRow(holder, epoch, row.beat + 1)
            return fits

        return self._call(renewed)

    def take(self, seen: LeaseRow, holder: str) -> int:
        def taken() -> int:
            if self._world.row != seen:
                return 0
            self._world.row = LeaseRow(holder, seen.epoch + 1, seen.beat + 1)
            return seen.epoch + 1

        return self._call(taken)

    def release(self, holder: str) -> None:
        def released() -> None:
            row = self._world.row
            if row.holder == holder:
                self._world.row = LeaseRow("", row.epoch, row.beat + 1)

        self._call(released)

    def close(self) -> None:
        """Nothing to close."""

    def _call(self, work: Callable[[], T]) -> T:
        self.calls += 1
        if self.cut:
            raise LeaseUnavailable("cut")
        self._world.advance(self.request_delay)
        if self.lost_calls == "late":  # delayed for long, and finally executed
            self._world.late.append(work)
            raise LeaseUnavailable("no answer yet")
        answer = work()
        self._world.advance(self.response_delay)
        if self.lost_calls == "answer":
            raise LeaseUnavailable("the answer is lost")
        return answer


def create_leases(world: LeaseWorld, count: int = 2) -> tuple[list[PostgresLease], list[UnreliableRows]]:
    wires = [UnreliableRows(world) for _ in range(count)]
    return [PostgresLease("", "eph", timing=TIMING, clock=lambda: world.now, store=wire) for wire in wires], wires


async def make_leader(world: LeaseWorld, lease: PostgresLease) -> None:
    """Waits as long as an unknown row requires, then leads."""
    await lease.tick()
    world.advance(TIMING.lease_seconds)
    await lease.tick()
    assert lease.leads()


async def test_unknown_row_is_watched_before_it_is_taken() -> None:
    """It may be new because its database was lost, and another may still lead by the old one."""
    world = LeaseWorld()
    (one, _), _ = create_leases(world)
    await one.tick()
    world.advance(TIMING.lease_seconds - 0.01)
    await one.tick()
    assert (one.leads(), one.epoch) == (False, 0)
    world.advance(0.01)
    await one.tick()
    assert (one.leads(), one.epoch) == (True, 1)


async def test_leads_until_its_lease_expires_and_no_longer() -> None:
    world = LeaseWorld()
    (one, _), (wire, _) = create_leases(world)
    await make_leader(world, one)
    assert one.until == world.now + TIMING.valid_seconds
    wire.cut = True
    world.advance(TIMING.valid_seconds - 0.01)
    await one.tick()
    assert one.leads()
    world.advance(0.01)
    assert not one.leads()


async def test_lease_counts_from_the_request_not_from_the_response() -> None:
    world = LeaseWorld()
    (one, _), (wire, _) = create_leases(world)
    await make_leader(world, one)
    asked, wire.response_delay = world.now, 3.0
    await one.tick()
    assert one.until == asked + TIMING.valid_seconds


async def test_lease_of_a_takeover_counts_from_the_request_too() -> None:
    world = LeaseWorld()
    (one, _), (wire, _) = create_leases(world)
    await one.tick()
    wire.response_delay = 9.0
    await one.tick()
    assert (one.epoch, one.leads()) == (1, False)
    assert one.until == world.now - 9.0 + TIMING.valid_seconds


async def test_watching_counts_from_the_response_not_from_the_request() -> None:
    """The row may have been written just before the response."""
    world = LeaseWorld()
    (one, _), (wire, _) = create_leases(world)
    wire.request_delay = 5.0
    await one.tick()
    wire.request_delay = 0.0
    world.advance(TIMING.lease_seconds - 0.01)
    await one.tick()
    assert not one.leads()


async def test_checking_leads_does_no_io() -> None:
    world = LeaseWorld()
    (one, _), (wire, _) = create_leases(world)
    await make_leader(world, one)
    before = wire.calls
    assert all(one.leads() for _ in range(100))
    assert wire.calls == before
    assert await one.confirm()
    assert wire.calls == before + 1


async def test_candidate_waits_while_it_is_renewed_and_takes_it_otherwise() -> None:
    world = LeaseWorld()
    (one, two), _ = create_leases(world)
    await make_leader(world, one)
    for _ in range(10):
        world.advance(TIMING.renew_seconds)
        await one.tick()
        await two.tick()
    assert (one.leads(), two.leads()) == (True, False)
    world.advance(TIMING.lease_seconds)
    await two.tick()
    assert (one.leads(), two.leads(), two.epoch) == (False, True, 2)


async def test_suspended_leader_knows_that_its_lease_expired_without_io() -> None:
    world = LeaseWorld()
    (one, two), (wire, _) = create_leases(world)
    await make_leader(world, one)
    await two.tick()
    world.advance(3600)
    asked = wire.calls
    assert not one.leads()
    assert wire.calls == asked
    await two.tick()
    assert not await one.confirm()
    await one.tick()
    assert (one.leads(), two.leads()) == (False, True)


async def test_suspended_leader_without_a_successor_continues_in_its_epoch() -> None:
    world = LeaseWorld()
    (one, _), _ = create_leases(world)
    await make_leader(world, one)
    world.advance(3600)
    await one.tick()
    assert (one.leads(), one.epoch) == (True, 1)


async def test_confirming_detects_what_a_frozen_clock_hides() -> None:
    """A virtual machine that was frozen with its clock: only a query helps."""
    world = LeaseWorld()
    (one, _), _ = create_leases(world)
    await make_leader(world, one)
    world.row = LeaseRow("another", 2, 99)
    assert one.leads()
    assert not await one.confirm()
    assert not one.leads()


async def test_error_in_between_restarts_the_watching() -> None:
    """The database may have come back as an older copy of itself."""
    world = LeaseWorld()
    (_, two), (_, wire) = create_leases(world)
    await two.tick()
    world.advance(TIMING.lease_seconds / 2)
    wire.cut = True
    await two.tick()
    wire.cut = False
    world.advance(TIMING.lease_seconds / 2)
    await two.tick()
    assert not two.leads()
    world.advance(TIMING.lease_seconds)
    await two.tick()
    assert two.leads()


async def test_leader_change_is_notified_once_even_on_expiry() -> None:
    """In real time, because the event loop notifies."""
    world, told = LeaseWorld(), list[bool]()
    wire = UnreliableRows(world)
    timing = Timing(lease_seconds=0.2, margin_seconds=0.05, renew_seconds=0.05, poll_seconds=0.02)
    lease = PostgresLease("", "eph", timing=timing, store=wire)
    began, over = asyncio.Event(), asyncio.Event()

    def changed(leads: bool) -> None:
        told.append(leads)
        (began if leads else over).set()
        raise RuntimeError("a listener's trouble is its own")

    lease.subscribe(changed)
    running = asyncio.create_task(lease.run())
    async with asyncio.timeout(5):
        await began.wait()
        wire.cut = True
        await over.wait()
    assert told[:2] == [True, False]
    wire.cut = False
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.row.is_released


async def test_single_replica_always_leads() -> None:
    lease: Lease = NoLease()
    told: list[bool] = []
    lease.subscribe(told.append)
    running = asyncio.create_task(lease.run())
    await asyncio.sleep(0)
    assert lease.leads()
    assert await lease.confirm()
    assert lease.until > boot_clock() + 1e9
    assert (told, lease.epoch) == ([], 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_replicas_need_postgresql() -> None:
    with pytest.raises(BadDatabaseUrl, match="in PostgreSQL"):
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
def test_never_two_leaders_under_any_network_fault(
    steps: list[tuple[int, str, float, float, str]],
) -> None:
    assert asyncio.run(max_leaders(steps)) <= 1


async def max_leaders(steps: list[tuple[int, str, float, float, str]]) -> int:
    world = LeaseWorld()
    leases, wires = create_leases(world, 3)
    most = 0
    for who, what, passing, slow, loses in steps:
        lease, wire = leases[who], wires[who]
        world.advance(passing)
        most = max(most, sum(each.leads() for each in leases))
        wire.request_delay, wire.response_delay, wire.lost_calls = slow / 2, slow / 2, loses
        match what:
            case "turn":
                await lease.tick()
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


async def restarted(world: LeaseWorld, lease: PostgresLease, wire: UnreliableRows) -> PostgresLease:
    """It releases what it has, and restarts."""
    await lease._release()
    return PostgresLease("", "eph", timing=TIMING, clock=lambda: world.now, store=wire)


async def test_simulation_does_have_leaders() -> None:
    """So the property above isn't satisfied just because there are none."""
    steps = [(0, "turn", 9.0, 0.0, ""), (0, "turn", 9.0, 0.0, ""), (1, "turn", 0.0, 0.0, "")]
    assert await max_leaders(steps) == 1


async def test_fake_lease_leads_on_request() -> None:
    lease: Lease = (fake := FakeLease())
    told: list[bool] = []
    lease.subscribe(told.append)
    assert (lease.leads(), lease.epoch) == (False, 0)
    fake.set_leading(True)
    assert lease.leads()
    assert lease.until > boot_clock()
    assert await lease.confirm()
    fake.set_leading(False)
    assert not lease.leads()
    assert lease.until == float("-inf")
    fake.set_leading(True)
    assert (told, lease.epoch) == ([True, False, True], 2)
