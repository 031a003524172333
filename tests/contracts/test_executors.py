"""What Eph relies on from every executor, run on each adapter and on the fake (L2, L5, L8, P9)."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from programs import steps
from programs.steps import StepState
from stacks.executors import registry, wording
from stacks.executors.port import Recovery, StepPage
from stacks.model import Operation, OperationVerb, Outcome
from stacks.operations import wording as operation_wording
from tests.contracts.executor_harnesses import HARNESSES
from tests.stacks.stack_bench import StackBench, record_of, ref, run_operation, sha, start_operation


@pytest.fixture(params=[pytest.param(name, marks=entry.marks) for name, entry in HARNESSES.items()])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StackBench]:
    made = HARNESSES[request.param].create(tmp_path, monkeypatch)
    await made.operations.open()
    yield made
    await made.operations.close()


def test_every_installed_executor_has_a_harness() -> None:
    assert set(registry.installed()) == {entry.executor for entry in HARNESSES.values() if entry.executor}


async def test_stack_lifecycle(bench: StackBench) -> None:
    """L5: created, updated in place, retagged, destroyed; the record matches the store at each step."""
    told: list[str] = []
    made = await run_operation(bench, bench.factory.up(1, "aaaa"), told)
    assert (made.outcome, made.error, made.commit) == (Outcome.SUCCEEDED, "", sha("aaaa"))
    assert made.url == "http://shop-probe-1.localhost"
    assert made.pulumi_processes <= 3
    assert operation_wording.building(sha("aaaa")) in told
    first = record_of(bench, 1)
    assert first.tag is not None
    assert first.built is not None
    assert (first.tag.commit, first.tag.key.number, first.tag.asleep) == (sha("aaaa"), 1, None)
    assert (first.built.commit, first.built.target, first.built.urls) == (sha("aaaa"), "probe", {"web": made.url})
    assert (first.resource_count, first.pending_operations, first.locks, first.target) == (1, 0, (), "probe")
    assert [(entry.verb, entry.commit, entry.outcome) for entry in first.history] == [
        (OperationVerb.UP, sha("aaaa"), Outcome.SUCCEEDED)
    ]

    changed = await run_operation(bench, bench.factory.up(1, "bbbb", ("web", "api")))
    assert changed.outcome is Outcome.SUCCEEDED
    assert changed.pulumi_processes <= 2
    second = record_of(bench, 1)
    assert second.tag is not None
    assert second.built is not None
    assert (second.built.commit, second.resource_count, len(second.history)) == (sha("bbbb"), 2, 2)
    assert second.tag.incarnation == first.tag.incarnation != ""

    until = datetime(2030, 1, 1, tzinfo=UTC)
    tagged = await run_operation(bench, bench.factory.retag(1, "bbbb", asleep=until, extended_until=until))
    assert (tagged.outcome, tagged.pulumi_processes) == (Outcome.SUCCEEDED, 0)
    third = record_of(bench, 1)
    assert third.tag is not None
    assert (third.tag.asleep, third.tag.extended_until) == (until, until)
    assert third.tag.incarnation == first.tag.incarnation
    assert third.built == second.built

    gone = await run_operation(bench, bench.factory.destroy(1))
    assert gone.outcome is Outcome.SUCCEEDED
    assert bench.snapshot().stacks == {}
    assert bench.snapshot().complete


@pytest.mark.long
async def test_a_new_stack_of_an_old_name_is_a_new_incarnation(bench: StackBench) -> None:
    """Pitfall: a recreated stack can inherit the tags of its predecessor."""
    await run_operation(bench, bench.factory.up(1, "aaaa"))
    await run_operation(bench, bench.factory.retag(1, "aaaa", keep=True))
    old = record_of(bench, 1).tag
    await run_operation(bench, bench.factory.destroy(1))
    await run_operation(bench, bench.factory.up(1, "aaaa"))
    new = record_of(bench, 1)
    assert old is not None
    assert new.tag is not None
    assert old.incarnation != new.tag.incarnation
    assert not new.tag.keep
    assert len(new.history) == 1


async def test_failure_keeps_what_was_built_and_counts_as_an_attempt(bench: StackBench) -> None:
    """L5, L8: the error and the failed attempt are reported; the last build stays on record; once fixed, it
    continues."""
    await run_operation(bench, bench.factory.up(1, "aaaa"))
    bench.fail(1, "the migration broke")
    failed = await run_operation(bench, bench.factory.up(1, "bbbb"))
    assert failed.outcome is Outcome.FAILED
    assert "the migration broke" in failed.error
    assert failed.retryable
    after = record_of(bench, 1)
    assert after.built is not None
    assert after.tag is not None
    assert (after.built.commit, after.tag.commit) == (sha("aaaa"), sha("bbbb"))
    assert (after.history[-1].outcome, after.history[-1].commit) == (Outcome.FAILED, sha("bbbb"))
    assert after.locks == ()
    bench.stop_failing(1)
    assert (await run_operation(bench, bench.factory.up(1, "bbbb"))).outcome is Outcome.SUCCEEDED


async def test_failed_creation_is_on_record(bench: StackBench) -> None:
    """L2: a half-created stack is listed with its tag and without a build, and is destroyed like any other."""
    bench.fail(1, "no disk")
    assert (await run_operation(bench, bench.factory.up(1, "aaaa"))).outcome is Outcome.FAILED
    half = record_of(bench, 1)
    assert half.tag is not None
    assert (half.tag.key.number, half.built, half.unreadable) == (1, None, "")
    assert (await run_operation(bench, bench.factory.destroy(1))).outcome is Outcome.SUCCEEDED
    assert bench.snapshot().stacks == {}


async def test_interrupt_is_not_an_attempt(bench: StackBench) -> None:
    """L6: a hanging creation is interrupted; its lock is gone, its history says so, and the next one completes. One
    stack never has two operations at once, and a live lock is never broken."""
    bench.hold(1)
    lane = start_operation(bench, bench.factory.up(1, "aaaa"))
    await bench.wait_until_running(1)
    held = record_of(bench, 1)
    assert [lock.owner_dead for lock in held.locks] == [False]
    second = await run_operation(bench, bench.factory.destroy(1))
    assert (second.outcome, second.error) == (Outcome.FAILED, wording.ALREADY_RUNNING)
    assert record_of(bench, 1) == held
    lane.interrupt()
    lane.interrupt()
    ended = await lane.wait()
    assert (ended.outcome, ended.error) == (Outcome.CANCELLED, "interrupted")
    after = record_of(bench, 1)
    assert (after.locks, after.built) == ((), None)
    assert [(entry.commit, entry.outcome) for entry in after.history] == [(sha("aaaa"), Outcome.CANCELLED)]
    bench.release(1)
    again = await run_operation(bench, bench.factory.up(1, "aaaa", refresh=bool(after.pending_operations)))
    assert again.outcome is Outcome.SUCCEEDED
    assert record_of(bench, 1).pending_operations == 0


@pytest.mark.long
async def test_operation_whose_process_is_killed_ends_in_one_failure(bench: StackBench) -> None:
    """L2, L8: whatever runs it dies, its result arrives, and the next operation goes on from what is there."""
    bench.hold(1)
    lane = start_operation(bench, bench.factory.up(1, "aaaa"))
    await bench.wait_until_running(1)
    sessions = bench.operations.sessions()
    if not sessions:
        pytest.skip("its operations run in no process")
    for session in sessions:
        os.killpg(session, signal.SIGKILL)
    ended = await lane.wait()
    assert (ended.outcome, ended.commit) == (Outcome.FAILED, sha("aaaa"))
    assert ended.error
    bench.release(1)
    again = await run_operation(bench, bench.factory.up(1, "aaaa", refresh=True))
    assert (again.outcome, again.error) == (Outcome.SUCCEEDED, "")


@pytest.mark.long
async def test_record_stays_until_the_destroy_is_reported(bench: StackBench) -> None:
    """Pitfall: a record removed too early. Reports say 'destroyed' before the stack's record is removed."""
    asked: list[Operation] = []
    willing = False

    async def emptied(operation: Operation) -> bool:
        asked.append(operation)
        return willing

    await run_operation(bench, bench.factory.up(1, "aaaa"))
    kept = await run_operation(bench, bench.factory.destroy(1), on_destroyed=emptied)
    assert kept.outcome is Outcome.FAILED
    assert "the record stays" in kept.error
    assert kept.ended - kept.started < timedelta(seconds=20)
    left = record_of(bench, 1)
    assert (left.resource_count, left.built) == (0, None)
    assert left.tag is not None
    assert left.target == "probe", "the empty state does not know it any more, and the next try looks there by name"
    willing = True
    assert (await run_operation(bench, bench.factory.destroy(1), on_destroyed=emptied)).outcome is Outcome.SUCCEEDED
    assert [operation.verb for operation in asked] == [OperationVerb.DESTROY, OperationVerb.DESTROY]
    assert bench.snapshot().stacks == {}


async def test_operations_on_a_missing_stack(bench: StackBench) -> None:
    """L2: a destroy of nothing succeeds; a tag or a refresh of nothing fails and creates nothing."""
    assert (await run_operation(bench, bench.factory.destroy(7))).outcome is Outcome.SUCCEEDED
    for operation in (bench.factory.retag(7, "aaaa"), bench.factory.refresh(7)):
        result = await run_operation(bench, operation)
        assert result.outcome is Outcome.FAILED
        assert operation_wording.NO_STACK in result.error
    assert bench.snapshot().stacks == {}


async def test_after_close_nothing_starts(bench: StackBench) -> None:
    """L2: a closing pool interrupts what is running, returns its result, and starts no more."""
    bench.hold(1)
    lane = start_operation(bench, bench.factory.up(1, "aaaa"))
    await bench.wait_until_running(1)
    await bench.operations.close()
    assert (await lane.wait()).outcome is Outcome.CANCELLED
    late = await run_operation(bench, bench.factory.up(2, "aaaa"))
    assert (late.outcome, late.error) == (Outcome.CANCELLED, wording.INTERRUPTED_BEFORE_START)
    assert set(bench.snapshot().stacks) == {ref(1)}


@pytest.mark.long
async def test_last_result_is_kept_until_the_stack_is_gone(bench: StackBench) -> None:
    """P1: after a restart, people still see why the last build failed. A tag update doesn't explain it."""
    assert list(bench.operations.last_results()) == []
    bench.fail(1, "the migration broke")
    failed = await run_operation(bench, bench.factory.up(1, "aaaa"))
    assert list(bench.operations.last_results()) == [failed]
    await run_operation(bench, bench.factory.retag(1, "aaaa"))
    assert list(bench.operations.last_results()) == [failed]
    bench.stop_failing(1)
    built = await run_operation(bench, bench.factory.up(1, "aaaa"))
    assert list(bench.operations.last_results()) == [built]
    await run_operation(bench, bench.factory.destroy(1))
    assert list(bench.operations.last_results()) == []


@pytest.mark.long
async def test_steps_of_builds_are_kept_by_commit_until_the_stack_is_gone(bench: StackBench) -> None:
    """P1, P3: what each step did is known after success, failure and a later commit; a follower gets what is new."""
    assert (bench.operations.steps(ref(1)), bench.operations.step_commits(ref(1))) == (StepPage(), [])
    await run_operation(bench, bench.factory.up(1, "aaaa"))
    page = bench.operations.steps(ref(1))
    assert sha("aaaa").startswith(page.commit)
    assert page.commit
    [good] = steps.runs(page.events, still_running=False)
    assert (good.step, good.state) == ("Start web", StepState.SUCCEEDED)
    await run_operation(bench, bench.factory.retag(1, "aaaa"))
    assert bench.operations.steps(ref(1), since=page.position).events == ()
    bench.fail(1, "the migration broke")
    await run_operation(bench, bench.factory.up(1, "bbbb"))
    [bad] = steps.runs(bench.operations.steps(ref(1)).events, still_running=False)
    assert (bad.step, bad.state) == ("Start web", StepState.FAILED)
    news = bench.operations.steps(ref(1), since=page.position)
    assert steps.runs(news.events, still_running=False) == [bad]
    assert bench.operations.steps(ref(1), sha("aaaa")).events == page.events
    assert [commit[:4] for commit in bench.operations.step_commits(ref(1))] == ["aaaa", "bbbb"]
    await run_operation(bench, bench.factory.destroy(1))
    assert bench.operations.steps(ref(1)) == StepPage()


@pytest.mark.long
async def test_idle_executor_holds_nothing(bench: StackBench) -> None:
    """L9: a finished operation leaves no session, nothing to recover and no stray file."""
    await run_operation(bench, bench.factory.up(1, "aaaa"))
    assert bench.operations.sessions() == ()
    assert bench.operations.recover() == Recovery()
    assert len(bench.operations.log_lines(ref(1), 2)) <= 2
    await run_operation(bench, bench.factory.destroy(1))
    bench.operations.forget(ref(1))
    bench.operations.forget(ref(2))
    assert bench.operations.log_lines(ref(1), 2) == []
    assert bench.operations.stray_files() == []


async def test_running_operation_is_not_recovered_by_its_own_owner(bench: StackBench) -> None:
    bench.hold(1)
    lane = start_operation(bench, bench.factory.up(1, "aaaa"))
    await bench.wait_until_running(1)
    assert bench.operations.recover() == Recovery()
    bench.release(1)
    assert (await lane.wait()).outcome is Outcome.SUCCEEDED
    lane.interrupt()
    assert (await lane.wait()).outcome is Outcome.SUCCEEDED, "it has ended"
