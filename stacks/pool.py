"""Operations as processes: warm interpreters, one lane each, ended as a whole and always with exactly one result.

A worker that dies without a word (``kill -9``, out of memory) gives a failed result too, and whatever it left in its
session is ended before that result is given: the next operation on that stack never meets a half-dead one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from stacks import processes, records, wire
from stacks.model import Operation, OperationResult, Outcome, StackRef
from stacks.places import OPERATION_MARK, Places
from stacks.port import Progress

GRACE = 20.0
"""Seconds from an interrupt to the kill."""
_LINE_LIMIT = 4 * 1024 * 1024
_TAIL = 20

Emptied = Callable[[Operation], Awaitable[bool]]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Interpreter:
    """A worker that has said, or is about to say, that it is ready. ``mark`` is in the environment of all of it."""

    process: asyncio.subprocess.Process
    mark: str
    log: Path


class ProcessLane:
    """One operation under way."""

    def __init__(self, task: asyncio.Task[OperationResult], interrupt: Callable[[], None]) -> None:
        self._task = task
        self._interrupt = interrupt

    async def wait(self) -> OperationResult:
        return await asyncio.shield(self._task)

    def interrupt(self) -> None:
        self._interrupt()


class Pool:
    """``emptied`` is awaited between a destroy and the removal of its record; False keeps the record."""

    def __init__(self, places: Places, version: str, warm: int = 1) -> None:
        self._places = places
        self._version = version
        self._warm = warm
        self._waiting: deque[_Interpreter] = deque()
        self._tasks: set[asyncio.Task[OperationResult]] = set()
        self._refill: asyncio.Task[None] | None = None
        self._closed = False
        self.emptied: Emptied | None = None

    async def open(self) -> None:
        self._places.prepare()
        self._fill()

    def start(self, operation: Operation, progress: Progress) -> ProcessLane:
        asked = asyncio.Event()
        task = asyncio.create_task(self._run(operation, progress, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return ProcessLane(task, asked.set)

    def recover(self) -> list[StackRef]:
        """What an earlier life left running is ended: its locks are then a dead owner's, its work half-made."""
        ended = []
        for left in records.running(self._places):
            for pid in {*processes.marked(OPERATION_MARK, left.operation)}:
                if _in_session(pid, left.worker.pid):
                    processes.send(pid, signal.SIGKILL)
            records.clear_running(self._places, left.ref)
            ended.append(left.ref)
        return ended

    async def close(self) -> None:
        """Running operations are interrupted and waited for; warm interpreters are let go."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        if self._refill is not None:
            self._refill.cancel()
        await asyncio.gather(*self._tasks, *([self._refill] if self._refill else []), return_exceptions=True)
        while self._waiting:
            await self._discard(self._waiting.popleft())

    # --- warm interpreters

    def _fill(self) -> None:
        if not self._closed and (self._refill is None or self._refill.done()):
            self._refill = asyncio.create_task(self._keep_warm())

    async def _keep_warm(self) -> None:
        while len(self._waiting) < self._warm and not self._closed:
            fresh = await self._spawn()
            self._waiting.append(fresh)

    async def _take(self) -> _Interpreter:
        while self._waiting:
            found = self._waiting.popleft()
            if found.process.returncode is None:
                return found
            await self._discard(found)
        return await self._spawn()

    async def _spawn(self) -> _Interpreter:
        mark = uuid.uuid4().hex
        log = self._places.work / f"{mark}.log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "stacks.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **self._places.environment(), OPERATION_MARK: mark},
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
        return _Interpreter(process, mark, log)

    async def _discard(self, interpreter: _Interpreter) -> None:
        await _end_session(interpreter.process)
        interpreter.log.unlink(missing_ok=True)

    # --- one operation

    async def _run(self, operation: Operation, progress: Progress, asked: asyncio.Event) -> OperationResult:
        started = _now()
        interpreter = await self._take()
        self._fill()
        log = records.new_log(self._places, operation.ref, f"{started:%Y%m%dT%H%M%S}-{operation.verb}")
        interpreter.log.replace(log)
        conversation = _Conversation(interpreter.process, operation, progress, self._ask_emptied)
        try:
            self._record(operation, interpreter)
            await conversation.order(self._places, self._version)
            result = await _attend(conversation, asked, operation.deadline)
        except asyncio.CancelledError:
            result = await _attend(conversation, _set(), GRACE)
        finally:
            await _end_session(interpreter.process)
            records.clear_running(self._places, operation.ref)
        final = result or _silent_death(operation, started, log)
        self._keep(final)
        return final

    def _record(self, operation: Operation, interpreter: _Interpreter) -> None:
        identity = processes.identify(interpreter.process.pid)
        if identity is not None:
            running = records.Running(operation.ref, operation.verb, interpreter.mark, identity)
            records.write_running(self._places, running)

    def _keep(self, result: OperationResult) -> None:
        gone = result.verb.value == "destroy" and result.outcome is Outcome.SUCCEEDED
        if gone:
            records.forget(self._places, result.ref)
        else:
            records.write_last(self._places, result)

    async def _ask_emptied(self, operation: Operation) -> bool:
        return True if self.emptied is None else await self.emptied(operation)


class _Conversation:
    """The parent's end of a worker's pipes."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        operation: Operation,
        progress: Progress,
        emptied: Emptied,
    ) -> None:
        self._process = process
        self._operation = operation
        self._progress = progress
        self._emptied = emptied

    async def order(self, places: Places, version: str) -> None:
        line = {"places": places.to_json(), "version": version, "operation": wire.dump(self._operation)}
        await self._write(json.dumps(line))

    async def interrupt(self) -> None:
        await self._write("interrupt")

    def kill(self) -> None:
        processes.send_group(self._process.pid, signal.SIGKILL)

    async def listen(self) -> OperationResult | None:
        """Until the result, or the end of the worker."""
        if self._process.stdout is None:
            raise AssertionError("it was asked for as a pipe")
        async for raw in self._process.stdout:
            message = json.loads(raw)
            match message["event"]:
                case "progress":
                    self._progress(message["text"])
                case "emptied":
                    if await self._emptied(self._operation):
                        await self._write("remove")
                case "result":
                    return wire.result(message["result"])
        return None

    async def _write(self, line: str) -> None:
        if self._process.stdin is None:
            raise AssertionError("it was asked for as a pipe")
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()


async def _attend(conversation: _Conversation, asked: asyncio.Event, deadline: float) -> OperationResult | None:
    """Listens until the end; interrupts when asked or at the deadline, and kills when that takes too long."""
    listening = asyncio.create_task(conversation.listen())
    wish = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({listening, wish}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        late = not wish.done()
        if not listening.done():
            await conversation.interrupt()
            await asyncio.wait({listening}, timeout=GRACE)
            if not listening.done():
                conversation.kill()
            result = await listening
            return _overdue(result, deadline) if late else result
        return await listening
    finally:
        wish.cancel()


def _overdue(result: OperationResult | None, deadline: float) -> OperationResult | None:
    """A deadline is the commit's own failure, unlike an interrupt: it counts as a try."""
    if result is None or result.outcome is not Outcome.CANCELLED:
        return result
    return replace(result, outcome=Outcome.FAILED, error=f"it took longer than {deadline:.0f} s and was ended")


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def _end_session(process: asyncio.subprocess.Process) -> None:
    """Ends the worker and everything of its session: first by the end of its input, then for good."""
    if process.stdin is not None:
        process.stdin.close()
    if processes.session_members(process.pid):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), timeout=2.0)
    for pid in processes.session_members(process.pid):
        processes.send(pid, signal.SIGKILL)
    await process.wait()


def _in_session(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session
    except ProcessLookupError:
        return False


def _silent_death(operation: Operation, started: datetime, log: Path) -> OperationResult:
    with contextlib.suppress(OSError):
        tail = tuple(log.read_text(errors="replace").splitlines()[-_TAIL:])
        return _dead(operation, started, tail)
    return _dead(operation, started, ())


def _dead(operation: Operation, started: datetime, tail: tuple[str, ...]) -> OperationResult:
    return OperationResult(
        ref=operation.ref,
        verb=operation.verb,
        outcome=Outcome.FAILED,
        commit=operation.commit,
        started=started,
        ended=_now(),
        error="the operation's process ended without a result (killed, or out of memory)",
        tail=tail,
    )
