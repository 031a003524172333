"""``kill -9`` of each process in turn while a resource is being created: leftovers are killed, and the next run
completes the work (L2, L8).

Pitfalls: a killed pulumi leaves its lock and a pending operation; ``cancel`` only deletes the lock file while the other
process continues. So a lock is taken over once its owner is proven dead, and never before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from programs.kit.processes import process_table
from stacks import process_identity
from stacks.executors.process import operation_records, wording
from stacks.executors.process.worker_protocol import SessionTiming
from stacks.model import Outcome, StackRecord
from tests.stack_folders import process_executor
from tests.stacks.stack_bench import ROOT, RealBench, record_of, ref, run_operation, sha, start_operation, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long]
PARTS = ("one", "two")


async def test_pulumi_is_killed(real: RealBench) -> None:
    real.hold(1)
    lane = start_operation(real, real.factory.up(1, "aaaa", PARTS))
    await real.wait_until_running(1)
    [pulumi] = _processes_named(real, "pulumi")
    pulumi.send_signal(signal.SIGKILL)
    result = await lane.wait()
    assert result.outcome is Outcome.FAILED
    assert result.error
    await _assert_heals(real, record_of(real, 1))


async def test_the_worker_is_killed(real: RealBench) -> None:
    """Out of memory looks like this: no message from it, and yet a result; nothing in its session survives it."""
    real.hold(1)
    lane = start_operation(real, real.factory.up(1, "aaaa", PARTS))
    await real.wait_until_running(1)
    left = next(iter(operation_records.list_running(real.records)))
    session = [process.pid for process in psutil.process_iter() if _session_id(process.pid) == left.worker.pid]
    assert len(session) >= 3
    _pause(pid for pid in session if pid != left.worker.pid)  # none of them ends by itself
    os.kill(left.worker.pid, signal.SIGKILL)
    result = await lane.wait()
    assert result.outcome is Outcome.FAILED
    assert result.error == wording.NO_RESULT
    assert [pid for pid in session if process_table.is_alive(pid)] == []
    assert list(operation_records.list_running(real.records)) == []
    await _assert_heals(real, record_of(real, 1))


async def test_stopped_operation_blocks_no_other(real: RealBench) -> None:
    """L6: SIGSTOP of a whole operation. Others continue; interrupted, it is killed, and its stack recovers."""
    real.operations = process_executor(real.settings, real.version, SessionTiming(grace=1.0))
    real.hold(1)
    lane = start_operation(real, real.factory.up(1, "aaaa", PARTS))
    await real.wait_until_running(1)
    left = next(iter(operation_records.list_running(real.records)))
    for pid in process_identity.session_members(left.worker.pid):
        os.kill(pid, signal.SIGSTOP)
    assert (await run_operation(real, real.factory.up(2, "aaaa"))).outcome is Outcome.SUCCEEDED
    lane.interrupt()
    async with asyncio.timeout(20):
        assert (await lane.wait()).outcome is Outcome.CANCELLED
    assert process_identity.session_members(left.worker.pid) == []
    assert (await run_operation(real, real.factory.destroy(2))).outcome is Outcome.SUCCEEDED
    await _assert_heals(real, record_of(real, 1))


async def test_ephd_is_killed(real: RealBench) -> None:
    """The next process kills what the last one left, by its recorded identity, before it plans."""
    await real.operations.close()
    real.hold(1)
    words = [str(real.folder), real.settings.tools, real.version]
    ephd = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.stacks.executors.killable_ephd", *words, cwd=ROOT
    )
    await real.wait_until_running(1)
    warm = real.settings.work
    await wait_until(lambda: len(list(warm.iterdir())) == 2)
    worker = next(iter(operation_records.list_running(real.records))).worker.pid
    _pause(process_identity.session_members(worker))  # otherwise it would cancel by itself
    ephd.kill()
    await ephd.wait()
    orphans = [process for process in psutil.process_iter() if _belongs(process, real.folder)]
    assert orphans

    real.operations = process_executor(real.settings, real.version, warm_workers=1)
    assert real.operations.recover().ended == (ref(1),)
    assert real.operations.recover().ended == ()
    await wait_until(
        lambda: not any(process.is_running() and process_table.is_alive(process.pid) for process in orphans)
    )
    assert list(warm.iterdir()) == []
    assert all(lock.owner_dead for lock in record_of(real, 1).locks)
    await real.operations.open()
    await _assert_heals(real, record_of(real, 1))


async def test_leftovers_of_a_kill_between_removal_and_cleanup(real: RealBench) -> None:
    """Pitfall: ``stack rm`` deletes the state before the tags. A kill between the two leaves files of no stack."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    await run_operation(real, real.factory.up(2, "aaaa"))
    real.pulumi("stack", "rm", "--force", "--yes", "--stack", f"organization/{ref(1)}")
    stacks = real.backend.folder / ".pulumi/stacks" / ref(1).project
    (stacks / "pr-1.pulumi-tags").write_text("{}")
    kept = record_of(real, 2)
    real.operations.recover()
    assert {path.name.partition(".")[0] for path in stacks.iterdir()} == {"pr-2"}
    assert record_of(real, 2) == kept


async def test_operation_that_ends_before_its_stack_exists_leaves_no_tag(real: RealBench) -> None:
    """Found by ``make chaos``: the tag is written first, and nothing else would look for it in this process."""
    stacks = real.backend.folder / ".pulumi/stacks" / ref(1).project
    stacks.mkdir(parents=True)
    (stacks / "pr-1.pulumi-tags").write_text("{}")
    lane = start_operation(real, real.factory.up(1, "aaaa"))
    await wait_until(lambda: any(operation_records.list_running(real.records)))
    os.kill(next(iter(operation_records.list_running(real.records))).worker.pid, signal.SIGKILL)
    assert (await lane.wait()).outcome is Outcome.FAILED
    assert not stacks.exists()
    assert (await run_operation(real, real.factory.up(1, "bbbb"))).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("text", ['{"version": 1, "ta', "", "[]", '{"tags": 1}'])
async def test_stack_with_a_truncated_tag_is_destroyed(real: RealBench, text: str) -> None:
    """L8. Found by ``make chaos``: Pulumi itself refuses such a stack, and a destroy would be retried forever."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    tag = real.backend.folder / ".pulumi/stacks" / ref(1).project / "pr-1.pulumi-tags"
    tag.write_text(text)
    result = await run_operation(real, real.factory.destroy(1))
    assert (result.outcome, result.error) == (Outcome.SUCCEEDED, "")
    assert real.remaining_files() == []


async def test_destroy_depends_on_neither_tag_nor_name(real: RealBench) -> None:
    """L8. Found by ``make chaos``: the name of a stack without tag, pull request and resources is unknown, and its
    destroy failed forever. It is destroyed by its state; targets find what else exists."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    (real.backend.folder / ".pulumi/stacks" / ref(1).project / "pr-1.pulumi-tags").unlink()
    assert record_of(real, 1).name == "shop-probe-1"
    result = await run_operation(real, replace(real.factory.destroy(1), name=""))
    assert (result.outcome, result.error) == (Outcome.SUCCEEDED, "")
    assert (real.remaining_files(), real.created_files()) == ([], {})


async def test_partial_files_of_a_killed_writer_are_removed(real: RealBench) -> None:
    """Found by ``make chaos``: a partial file next to the complete one, ours or Pulumi's."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    stacks = real.backend.folder / ".pulumi/stacks" / ref(1).project
    whole = sorted(stacks.iterdir())
    (stacks / ".pr-1.pulumi-tags.4242").write_text('{"ver')
    (stacks / "pr-1.json.18e9fc504bb81745.tmp").write_text('{"ver')
    real.operations.recover()
    assert sorted(stacks.iterdir()) == whole
    (stacks / ".pr-1.pulumi-tags.4242").write_text('{"ver')
    (stacks / ".pr-11.pulumi-tags.4243").write_text('{"ver')
    await run_operation(real, real.factory.up(1, "bbbb"))
    assert [path.name for path in stacks.iterdir() if path.name.startswith(".")] == [".pr-11.pulumi-tags.4243"]


@pytest.mark.parametrize("next_life", [False, True])
async def test_half_written_lock_blocks_nothing(real: RealBench, next_life: bool) -> None:
    """L8. Found by ``make chaos``, with a full disk: "unexpected end of JSON input" from Pulumi forever after."""
    await run_operation(real, real.factory.up(1, "aaaa"))
    store = real.backend.folder / ".pulumi"
    folder = store / "locks/organization" / ref(1).project / "pr-1"
    folder.mkdir(parents=True, exist_ok=True)
    halves = [folder / "4b.json.18e9.tmp", store / "stacks" / ref(1).project / "pr-1.json.18e9.tmp"]
    for half in halves:
        half.write_text("")
    if next_life:
        real.operations.recover()
        assert not any(half.exists() for half in halves)
    result = await run_operation(real, real.factory.up(1, "bbbb"))
    assert (result.outcome, result.error) == (Outcome.SUCCEEDED, "")
    assert not any(half.exists() for half in halves)


async def _assert_heals(real: RealBench, broken: StackRecord) -> None:
    """Like the planner: refresh if something is pending or locked; then it is complete, and nothing was created
    twice."""
    assert all(lock.owner_dead for lock in broken.locks)
    assert broken.built is None
    assert broken.tag is not None
    real.release(1)
    refresh = bool(broken.pending_operations or broken.locks)
    result = await run_operation(real, real.factory.up(1, "aaaa", PARTS, refresh=refresh))
    assert (result.outcome, result.error) == (Outcome.SUCCEEDED, "")
    whole = record_of(real, 1)
    assert (whole.resource_count, whole.pending_operations, whole.locks) == (2, 0, ())
    assert real.created_files() == {f"shop-probe-1/{part}": sha("aaaa") for part in PARTS}
    journal = real.journal("shop-probe-1")
    assert [line for line in journal if line.startswith("created")] == [
        f"created shop-probe-1 {part} aaaa000" for part in PARTS
    ]
    assert (await run_operation(real, real.factory.destroy(1))).outcome is Outcome.SUCCEEDED
    assert real.created_files() == {}
    await asyncio.sleep(0)
    assert real.remaining_files() == []


def _pause(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)


def _processes_named(real: RealBench, name: str) -> list[psutil.Process]:
    return [item for item in psutil.process_iter() if item.name() == name and _belongs(item, real.folder)]


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get("PULUMI_HOME") == str(folder / "home")
    except psutil.Error:
        return False


def _session_id(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
