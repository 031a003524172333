"""The fake's own verbs, which the real thing has no door for: ``kill -9`` of everything, and a deadline (L2, L8)."""

from __future__ import annotations

from stacks.model import Outcome
from tests.stacks.benches import FakeBench, record, ref, run, start


async def test_a_crash_leaves_what_kill_9_leaves() -> None:
    """A dead owner's lock and something half-done; the next life is told what it ended, and heals it."""
    bench = FakeBench()
    bench.hold(1)
    start(bench, bench.orders.up(1, "aaaa"))
    await bench.under_way(1)
    bench.operations.crash()
    assert bench.operations.recover() == [ref(1)]
    assert bench.operations.recover() == []
    left = record(bench, 1)
    assert ([lock.owner_dead for lock in left.locks], left.pending, left.history) == ([True], 1, ())
    assert (await run(bench, bench.orders.up(1, "aaaa", refresh=True))).outcome is Outcome.SUCCEEDED
    healed = record(bench, 1)
    assert (healed.locks, healed.pending) == ((), 0)


async def test_a_deadline_passes_when_told() -> None:
    bench = FakeBench()
    bench.hold(1)
    lane = start(bench, bench.orders.up(1, "aaaa", deadline=60.0))
    await bench.under_way(1)
    bench.operations.overrun(ref(1))
    result = await lane.wait()
    assert (result.outcome, result.error) == (Outcome.FAILED, "it took longer than 60 s and was ended")
    assert record(bench, 1).history[-1].outcome is Outcome.FAILED


async def test_failures_run_out() -> None:
    """As often as asked, and then it works."""
    bench = FakeBench()
    bench.operations.fail(ref(1), "the disk is full", times=2, retryable=False)
    results = [await run(bench, bench.orders.up(1, "aaaa")) for _ in range(3)]
    assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.FAILED, Outcome.SUCCEEDED]
    assert (results[0].error, results[0].retryable) == ("the disk is full", False)
