"""The parent's end of the pipes, with workers that misbehave: always one result, never an exception (L2)."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from stacks.executors.port import LeaseUntil, OnDestroyed, OnProgress
from stacks.executors.process import warm_workers
from stacks.executors.process.warm_workers import MAX_LINE_BYTES, WarmWorker
from stacks.executors.process.worker_protocol import DEFAULT_TIMING, SessionTiming, WorkerExit, WorkerSession
from stacks.model import Operation, OperationResult, OperationVerb, Outcome
from stacks.operations import serialization
from tests.stack_folders import worker_settings
from tests.stacks.stack_bench import OperationFactory, ref

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RESULT = OperationResult(ref(1), OperationVerb.UP, Outcome.SUCCEEDED, "a" * 40, NOW, NOW)
RESULT_LINE = json.dumps({"event": "result", "result": serialization.dump(RESULT)})
SHORT = SessionTiming(grace=0.2, lease_interval=0.01)
WORKER_PREAMBLE = f"import json, sys, time\nRESULT = {json.dumps(RESULT_LINE)}\n"


async def run_worker(
    folder: Path,
    program: str,
    operation: Operation | None = None,
    progress: OnProgress = lambda _: None,
    emptied: OnDestroyed | None = None,
    lease: LeaseUntil | None = None,
    timing: SessionTiming = DEFAULT_TIMING,
) -> WorkerExit:
    """Reads from a worker that is this program."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER_PREAMBLE + program,
        stdin=pipe,
        stdout=pipe,
        limit=MAX_LINE_BYTES,
        start_new_session=True,
    )

    async def willing(operation: Operation) -> bool:
        return True

    work = folder / "own"
    work.mkdir()
    interpreter = WarmWorker(process, "mark", work)
    talk = WorkerSession(
        interpreter, operation or OperationFactory().up(1, "aaaa"), progress, emptied or willing, lease, timing
    )
    settings = worker_settings(folder)
    try:
        return await talk.run(settings, "3.259.0", asyncio.Event())
    finally:
        await warm_workers.end(interpreter, farewell=0.2)
        assert not work.exists()


async def test_invalid_messages_are_ignored(tmp_path: Path) -> None:
    """No JSON, no object, an unknown word, five megabytes, bytes that aren't UTF-8."""
    program = (
        "print('hello'); print('[]'); print('{}'); print('{\"event\": 7}'); print('x' * 5_000_000, flush=True)\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe\\n'); print(RESULT, flush=True)"
    )
    assert await run_worker(tmp_path, program) == WorkerExit(RESULT)


async def test_silent_worker_is_a_failure(tmp_path: Path) -> None:
    assert await run_worker(tmp_path, "sys.exit(1)") == WorkerExit(None)


async def test_callbacks_that_raise_block_nothing(tmp_path: Path) -> None:
    """And a record whose end couldn't be reported stays."""

    def raising(text: str) -> None:
        raise KeyError(text)

    async def unable(operation: Operation) -> bool:
        raise ConnectionError("the Git host is down")

    program = (
        "print(json.dumps({'event': 'progress', 'text': 'x'})); print(json.dumps({'event': 'emptied'}), flush=True)\n"
        "order = sys.stdin.readline(); answer = sys.stdin.readline()\n"
        "print(RESULT if answer == 'keep\\n' else 'no', flush=True)"
    )
    assert await run_worker(tmp_path, program, progress=raising, emptied=unable) == WorkerExit(RESULT)


async def test_unresponsive_worker_is_killed(tmp_path: Path) -> None:
    """After the deadline and the grace period; what it started in its session is gone with it."""
    slow = OperationFactory().up(1, "aaaa", deadline=0.2)
    async with asyncio.timeout(15):
        assert await run_worker(tmp_path, "time.sleep(60)", slow, timing=SHORT) == WorkerExit(None, timed_out=True)


async def test_stopped_worker_does_not_block(tmp_path: Path) -> None:
    """SIGSTOP before it read its operation, which is larger than a pipe's buffer. Its deadline, the grace period, then
    the kill."""
    long = replace(OperationFactory().up(1, "aaaa", deadline=0.2), commit="a" * 3_000_000)
    async with asyncio.timeout(20):
        stopped = await run_worker(tmp_path, "import os, signal; os.kill(0, signal.SIGSTOP)", long, timing=SHORT)
    assert stopped == WorkerExit(None, timed_out=True)


async def test_worker_receives_each_renewal_of_the_lease(tmp_path: Path) -> None:
    """O2: also after the lease had expired for a while; nothing is sent without a renewal."""
    now = [7.5, 7.5, float("-inf"), 9.25]
    program = (
        "order = json.loads(sys.stdin.readline()); line = sys.stdin.readline()\n"
        "print(RESULT if (order['not_after'], line) == (7.5, 'lead 9.25\\n') else 'no', flush=True)"
    )
    found = await run_worker(tmp_path, program, lease=lambda: now.pop(0) if len(now) > 1 else now[0], timing=SHORT)
    assert found == WorkerExit(RESULT)


async def test_single_replica_sends_no_lease(tmp_path: Path) -> None:
    program = "print(RESULT if json.loads(sys.stdin.readline())['not_after'] is None else 'no', flush=True)"
    assert await run_worker(tmp_path, program) == WorkerExit(RESULT)


async def test_control_word_for_a_deadline_is_late(tmp_path: Path) -> None:
    program = "sys.stdin.readline(); print(RESULT if sys.stdin.readline() == 'late\\n' else 'no', flush=True)"
    slow = OperationFactory().up(1, "aaaa", deadline=0.2)
    assert await run_worker(tmp_path, program, slow) == WorkerExit(RESULT, timed_out=True)
