"""Operations as processes: warm interpreters, one lane each, ended as a whole and always with exactly one result.

A worker that dies without a word (``kill -9``, out of memory) gives a failed result too, and whatever it left in its
session is ended before that result is given: the next operation on that stack never meets a half-dead one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from programs.concealing import Veil
from stacks import interpreters, others, processes, records
from stacks.backends import FileBackend
from stacks.conversation import GRACE, Conversation, Emptied, Ending, Until
from stacks.interpreters import Interpreter
from stacks.model import Operation, OperationResult, Outcome, StackRef, Verb
from stacks.others import Settled
from stacks.places import OPERATION_MARK, Places
from stacks.port import Progress

__all__ = ["GRACE", "Emptied", "Pool", "ProcessLane"]

ALREADY = "another operation on this stack is under way"
_TAIL = 20
_SPARE = 30.0
"""Seconds after its deadline in which an operation of ours is over: it is interrupted, then killed."""
log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


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
    """``emptied`` is awaited between a destroy and the removal of its record; False keeps the record. ``lease`` gives
    until when operations may start anything, by ``running_clock``; None: for as long as they like."""

    def __init__(self, places: Places, version: str, warm: int = 1) -> None:
        self._places = places
        self._version = version
        self._warm = warm
        self._waiting: deque[Interpreter] = deque()
        self._marks: set[str] = set()
        self._busy: set[StackRef] = set()
        self._sessions: dict[StackRef, int] = {}
        self._lanes: dict[asyncio.Task[OperationResult], asyncio.Event] = {}
        self._refill: asyncio.Task[None] | None = None
        self._closed = False
        self.emptied: Emptied | None = None
        self.lease: Until | None = None

    async def open(self) -> None:
        self._places.prepare()
        self._fill()

    def start(self, operation: Operation, progress: Progress) -> ProcessLane:
        asked = asyncio.Event()
        if self._closed:
            asked.set()
        task = asyncio.create_task(self._run(operation, progress, asked))
        self._lanes[task] = asked
        task.add_done_callback(self._lanes.pop)
        return ProcessLane(task, asked.set)

    def recover(self) -> list[StackRef]:
        """What an earlier life left running is ended: its locks are then a dead owner's, its work half-made. What it
        left lying is removed. For the one ephd of these places. Waits for the processes to be gone, a few seconds at
        most."""
        ended = others.settle(self._places, alone=True).ended
        for folder in _folders(self._places.work):
            if folder.name not in self._marks:
                shutil.rmtree(folder, ignore_errors=True)
        FileBackend(self._places.backend).sweep()
        return list(ended)

    def settle(self) -> Settled:
        """The same for one of several replicas, which leads: what others began and is proven over is ended, and what
        is not must be waited for."""
        return others.settle(self._places, alone=False)

    def tidy(self) -> None:
        """Work folders of an earlier life of one of several replicas; each has its own. What still ends there keeps
        its folder: whoever leads sees to it."""
        for folder in _folders(self._places.work):
            if folder.name not in self._marks and not any(processes.marked(OPERATION_MARK, folder.name)):
                shutil.rmtree(folder, ignore_errors=True)

    def sessions(self) -> tuple[int, ...]:
        """The first process of each operation under way; all of its processes are of that session."""
        return tuple(self._sessions.values())

    async def close(self) -> None:
        """Running operations are interrupted and waited for; warm interpreters are let go."""
        self._closed = True
        for asked in self._lanes.values():
            asked.set()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        if self._refill is not None:
            await asyncio.gather(self._refill, return_exceptions=True)
        while self._waiting:
            await self._let_go(self._waiting.popleft())

    # --- warm interpreters

    def _fill(self) -> None:
        if not self._closed and (self._refill is None or self._refill.done()):
            self._refill = asyncio.create_task(self._keep_warm())

    async def _keep_warm(self) -> None:
        while len(self._waiting) < self._warm and not self._closed:
            try:
                self._waiting.append(await self._spawn())
            except OSError as why:  # the operation that needs one says it to people
                log.warning("no worker could be started: %s", why)
                return

    async def _take(self) -> Interpreter:
        while self._waiting:
            found = self._waiting.popleft()
            if found.alive:
                return found
            await self._let_go(found)
        return await self._spawn()

    async def _spawn(self) -> Interpreter:
        fresh = await interpreters.spawn(self._places)
        self._marks.add(fresh.mark)
        return fresh

    async def _let_go(self, interpreter: Interpreter) -> None:
        await interpreters.end(interpreter)
        self._marks.discard(interpreter.mark)

    # --- one operation

    async def _run(self, operation: Operation, progress: Progress, asked: asyncio.Event) -> OperationResult:
        started = _now()
        if asked.is_set():
            return _wordless(operation, started, Outcome.CANCELLED, "interrupted before it began")
        if operation.ref in self._busy:
            return _wordless(operation, started, Outcome.FAILED, ALREADY)
        self._busy.add(operation.ref)
        try:
            veil = Veil(operation.hidden)
            told = await self._perform(operation, lambda text: progress(veil(text)), asked, started)
            result = _veiled(told, veil)
            self._keep(result)
        except Exception as error:
            log.exception("the operation on %s could not be run", operation.ref)
            reason = f"its process could not be run ({type(error).__name__}: {error})"
            return _wordless(operation, started, Outcome.FAILED, reason)
        finally:
            self._busy.discard(operation.ref)
        return result

    async def _perform(
        self, operation: Operation, progress: Progress, asked: asyncio.Event, started: datetime
    ) -> OperationResult:
        interpreter = await self._take()
        self._fill()
        self._sessions[operation.ref] = interpreter.process.pid
        mine = self._running(operation, interpreter, started)
        try:
            told = records.new_log(self._places, operation.ref, f"{started:%Y%m%dT%H%M%S.%f}-{operation.verb}")
            interpreter.log.replace(told)
            if mine is not None:
                records.write_running(self._places, mine)
            conversation = Conversation(interpreter, operation, progress, self._ask_emptied, self.lease)
            ending = await conversation.hold(self._places, self._version, asked)
        finally:
            self._sessions.pop(operation.ref, None)
            await self._let_go(interpreter)
            if not records.in_use(self._places, operation.ref, besides=mine):
                FileBackend(self._places.backend).tidy(operation.ref)
            if mine is not None:
                records.clear_running(self._places, mine)
        return ending.result or _silent_death(operation, started, ending, told)

    def _running(self, operation: Operation, interpreter: Interpreter, started: datetime) -> records.Running | None:
        """None: it is dead already."""
        worker = processes.identify(interpreter.process.pid)
        if worker is None:
            return None
        return records.Running(
            ref=operation.ref,
            verb=operation.verb,
            operation=interpreter.mark,
            worker=worker,
            owner=processes.identify(os.getpid()),
            where=processes.here(),
            commit=operation.commit,
            started=started.isoformat(),
            until=processes.running_clock() + operation.deadline + _SPARE,
        )

    def _keep(self, result: OperationResult) -> None:
        """A tag that was written says nothing of why the last build failed; those words stay. Once another replica is
        at work there, it is its word that counts."""
        if records.in_use(self._places, result.ref):
            return
        done = result.outcome is Outcome.SUCCEEDED
        if done and result.verb is Verb.DESTROY:
            records.forget(self._places, result.ref)
        elif not (done and result.verb.is_light):
            records.write_last(self._places, result)
        elif result.verb is not Verb.RETAG:
            records.overcome(self._places, result)

    async def _ask_emptied(self, operation: Operation) -> bool:
        return True if self.emptied is None else await self.emptied(operation)


def _folders(work: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return list(work.iterdir())
    return []


def _silent_death(operation: Operation, started: datetime, ending: Ending, told: Path) -> OperationResult:
    """A deadline is the commit's own failure, unlike an interrupt: it counts as a try."""
    if ending.asked:
        return _wordless(operation, started, Outcome.CANCELLED, f"interrupted, and ended by force after {GRACE:.0f} s")
    reason = "the operation's process ended without a result (killed, or out of memory)"
    if ending.late:
        reason = f"it took longer than {operation.deadline:.0f} s and was ended by force"
    tail: tuple[str, ...] = ()
    with contextlib.suppress(OSError):
        tail = tuple(told.read_text(errors="replace").splitlines()[-_TAIL:])
    return replace(_wordless(operation, started, Outcome.FAILED, reason), tail=tail)


def _veiled(result: OperationResult, veil: Veil) -> OperationResult:
    """What people read of it, without the values that are hidden from them."""
    tail = tuple(veil(line) for line in result.tail)
    return replace(result, error=veil(result.error), step=veil(result.step), tail=tail)


def _wordless(operation: Operation, started: datetime, outcome: Outcome, error: str) -> OperationResult:
    """The result of an operation whose worker gave none."""
    return OperationResult(
        ref=operation.ref,
        verb=operation.verb,
        outcome=outcome,
        commit=operation.commit,
        started=started,
        ended=_now(),
        error=error,
    )
