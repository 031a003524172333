"""The parent's end of the pipes, against workers that misbehave: always one ending, never an exception (L2)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stacks import conversation, interpreters, wire
from stacks.conversation import Conversation, Emptied, Ending, Until
from stacks.interpreters import LINE_LIMIT, Interpreter
from stacks.model import Operation, OperationResult, Outcome, Verb
from stacks.places import Places
from tests.stacks.benches import Orders, ref

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RESULT = OperationResult(ref(1), Verb.UP, Outcome.SUCCEEDED, "a" * 40, NOW, NOW)
SAY = f"import json, sys, time\nRESULT = {json.dumps(json.dumps({'event': 'result', 'result': wire.dump(RESULT)}))}\n"


async def hold(
    folder: Path,
    program: str,
    operation: Operation | None = None,
    progress: Callable[[str], None] = str,
    emptied: Emptied | None = None,
    lease: Until | None = None,
) -> Ending:
    """Listens to a worker that is this program."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SAY + program, stdin=pipe, stdout=pipe, limit=LINE_LIMIT, start_new_session=True
    )

    async def willing(operation: Operation) -> bool:
        return True

    work = folder / "own"
    work.mkdir()
    interpreter = Interpreter(process, "mark", work)
    talk = Conversation(interpreter, operation or Orders().up(1, "aaaa"), progress, emptied or willing, lease)
    places = Places(folder, folder, folder, folder, folder / "pass")
    try:
        return await talk.hold(places, "3.259.0", asyncio.Event())
    finally:
        await interpreters.end(interpreter)
        assert not work.exists()


async def test_lines_that_are_no_message_are_passed_over(tmp_path: Path) -> None:
    """No JSON, no object, an unknown word, five megabytes, bytes that are no UTF-8."""
    program = (
        "print('hello'); print('[]'); print('{}'); print('{\"event\": 7}'); print('x' * 5_000_000, flush=True)\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe\\n'); print(RESULT, flush=True)"
    )
    assert await hold(tmp_path, program) == Ending(RESULT)


async def test_a_worker_without_a_word(tmp_path: Path) -> None:
    assert await hold(tmp_path, "sys.exit(1)") == Ending(None)


async def test_callbacks_that_raise_hold_nothing_up(tmp_path: Path) -> None:
    """And a record whose end could not be told stays."""

    def raising(text: str) -> None:
        raise KeyError(text)

    async def unable(operation: Operation) -> bool:
        raise ConnectionError("the Git host is down")

    program = (
        "print(json.dumps({'event': 'progress', 'text': 'x'})); print(json.dumps({'event': 'emptied'}), flush=True)\n"
        "order = sys.stdin.readline(); answer = sys.stdin.readline()\n"
        "print(RESULT if answer == 'keep\\n' else 'no', flush=True)"
    )
    assert await hold(tmp_path, program, progress=raising, emptied=unable) == Ending(RESULT)


async def test_one_that_heeds_nothing_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline and the grace; what it had started in its session is gone with it."""
    monkeypatch.setattr(conversation, "GRACE", 0.2)
    monkeypatch.setattr(interpreters, "_FAREWELL", 0.2)
    slow = Orders().up(1, "aaaa", deadline=0.2)
    async with asyncio.timeout(15):
        assert await hold(tmp_path, "time.sleep(60)", slow) == Ending(None, late=True)


async def test_one_that_is_stopped_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP before it read its order, which is more than a pipe holds. Its deadline, the grace, then the kill."""
    monkeypatch.setattr(conversation, "GRACE", 0.2)
    long = replace(Orders().up(1, "aaaa", deadline=0.2), commit="a" * 3_000_000)
    async with asyncio.timeout(20):
        assert await hold(tmp_path, "import os, signal; os.kill(0, signal.SIGSTOP)", long) == Ending(None, late=True)


async def test_a_worker_is_told_of_each_renewal_of_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """O2: also when the lease was over for a while; nothing is said while nothing is new."""
    monkeypatch.setattr(conversation, "TELL_LEASE", 0.01)
    monkeypatch.setattr(conversation, "GRACE", 0.2)
    now = [7.5, 7.5, float("-inf"), 9.25]
    program = (
        "order = json.loads(sys.stdin.readline()); line = sys.stdin.readline()\n"
        "print(RESULT if (order['not_after'], line) == (7.5, 'lead 9.25\\n') else 'no', flush=True)"
    )
    found = await hold(tmp_path, program, lease=lambda: now.pop(0) if len(now) > 1 else now[0])
    assert found == Ending(RESULT)


async def test_one_alone_is_told_of_no_lease(tmp_path: Path) -> None:
    program = "print(RESULT if json.loads(sys.stdin.readline())['not_after'] is None else 'no', flush=True)"
    assert await hold(tmp_path, program) == Ending(RESULT)


async def test_the_word_for_a_deadline_is_late(tmp_path: Path) -> None:
    program = "sys.stdin.readline(); print(RESULT if sys.stdin.readline() == 'late\\n' else 'no', flush=True)"
    slow = Orders().up(1, "aaaa", deadline=0.2)
    assert await hold(tmp_path, program, slow) == Ending(RESULT, late=True)
