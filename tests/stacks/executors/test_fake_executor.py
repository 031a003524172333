"""The fake's own verbs, which the real executor doesn't have: ``kill -9`` of everything, and a deadline (L2, L8)."""

from __future__ import annotations

from stacks.model import Outcome
from stacks.operations import wording
from tests.stacks.stack_bench import FakeBench, record_of, ref, run_operation, start_operation


async def test_a_crash_leaves_what_kill_9_leaves() -> None:
    """A dead owner's lock and half-finished work; the next start gets a list of what it ended, and repairs it."""
    bench = FakeBench()
    bench.hold(1)
    start_operation(bench, bench.factory.up(1, "aaaa"))
    await bench.wait_until_running(1)
    bench.operations.crash()
    assert bench.operations.recover().ended == (ref(1),)
    assert bench.operations.recover().ended == ()
    left = record_of(bench, 1)
    assert ([lock.owner_dead for lock in left.locks], left.pending_operations, left.history) == ([True], 1, ())
    assert (await run_operation(bench, bench.factory.up(1, "aaaa", refresh=True))).outcome is Outcome.SUCCEEDED
    healed = record_of(bench, 1)
    assert (healed.locks, healed.pending_operations) == ((), 0)


async def test_deadline_passes_on_request() -> None:
    bench = FakeBench()
    bench.hold(1)
    lane = start_operation(bench, bench.factory.up(1, "aaaa", deadline=60.0))
    await bench.wait_until_running(1)
    bench.operations.time_out(ref(1))
    result = await lane.wait()
    assert (result.outcome, result.error) == (Outcome.FAILED, wording.deadline_exceeded(60))
    assert record_of(bench, 1).history[-1].outcome is Outcome.FAILED


async def test_failures_run_out() -> None:
    """As often as requested, and then it works."""
    bench = FakeBench()
    bench.operations.fail(ref(1), "the disk is full", times=2, retryable=False)
    results = [await run_operation(bench, bench.factory.up(1, "aaaa")) for _ in range(3)]
    assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.FAILED, Outcome.SUCCEEDED]
    assert (results[0].error, results[0].retryable) == ("the disk is full", False)
