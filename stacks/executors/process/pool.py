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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from programs.redaction import Redactor
from stacks import process_identity, stray_files
from stacks.executors.port import OnDestroyed, OnProgress
from stacks.executors.process import operation_records, recovery, stale_files, warm_workers
from stacks.executors.process.recovery import Recovery
from stacks.executors.process.warm_workers import WarmWorker
from stacks.executors.process.worker_protocol import GRACE, LeaseUntil, WorkerExit, WorkerSession
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRef, StrayFile
from stacks.paths import OPERATION_ENV, StackPaths

__all__ = ["GRACE", "Pool", "ProcessLane"]

ALREADY_RUNNING = "another operation on this stack is under way"
_TAIL_LINES = 20
_DEADLINE_MARGIN = 30.0
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


@dataclass(frozen=True, slots=True)
class _Hooks:
    """What is called while an operation runs."""

    progress: OnProgress
    on_destroyed: OnDestroyed


class Pool:
    """``lease_until`` gives until when operations may start anything, by ``running_clock``; None: for as long as they
    like."""

    def __init__(
        self, paths: StackPaths, version: str, warm_workers: int = 1, lease_until: LeaseUntil | None = None
    ) -> None:
        self._paths = paths
        self._version = version
        self._warm_target = warm_workers
        self._lease_until = lease_until
        self._idle: deque[WarmWorker] = deque()
        self._operation_ids: set[str] = set()
        self._busy_stacks: set[StackRef] = set()
        self._sessions: dict[StackRef, int] = {}
        self._lanes: dict[asyncio.Task[OperationResult], asyncio.Event] = {}
        self._refill: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        self._paths.make_folders()
        self._start_refill()

    def start(self, operation: Operation, progress: OnProgress, on_destroyed: OnDestroyed | None = None) -> ProcessLane:
        asked = asyncio.Event()
        if self._closed:
            asked.set()
        hooks = _Hooks(progress, on_destroyed or _always)
        task = asyncio.create_task(self._run(operation, hooks, asked))
        self._lanes[task] = asked
        task.add_done_callback(self._lanes.pop)
        return ProcessLane(task, asked.set)

    def recover(self) -> list[StackRef]:
        """What an earlier life left running is ended: its locks are then a dead owner's, its work half-made. What it
        left lying is removed. For the one ephd of these places. Waits for the processes to be gone, a few seconds at
        most."""
        ended = recovery.recover(self._paths, exclusive=True).ended
        for folder in _subfolders(self._paths.work):
            if folder.name not in self._operation_ids:
                shutil.rmtree(folder, ignore_errors=True)
        self._paths.backend.clean_up_all()
        return list(ended)

    def take_over(self) -> Recovery:
        """The same for one of several replicas, which leads: what others began and is proven over is ended, and what
        is not must be waited for."""
        return recovery.recover(self._paths, exclusive=False)

    def delete_stale_folders(self) -> None:
        """Work folders of an earlier life of one of several replicas; each has its own. What still ends there keeps
        its folder: whoever leads sees to it."""
        for folder in _subfolders(self._paths.work):
            if folder.name not in self._operation_ids and not any(
                process_identity.pids_with_variable(OPERATION_ENV, folder.name)
            ):
                shutil.rmtree(folder, ignore_errors=True)

    def stray_files(self) -> list[StrayFile]:
        return list(stale_files.find(self._paths))

    def delete_stray_file(self, file: StrayFile) -> None:
        if file in self.stray_files():
            stray_files.delete_path(Path(file.path))

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
        while self._idle:
            await self._release(self._idle.popleft())

    # --- warm interpreters

    def _start_refill(self) -> None:
        if not self._closed and (self._refill is None or self._refill.done()):
            self._refill = asyncio.create_task(self._keep_warm())

    async def _keep_warm(self) -> None:
        while len(self._idle) < self._warm_target and not self._closed:
            try:
                self._idle.append(await self._spawn())
            except OSError as why:  # the operation that needs one says it to people
                log.warning("no worker could be started: %s", why)
                return

    async def _acquire(self) -> WarmWorker:
        while self._idle:
            found = self._idle.popleft()
            if found.is_alive:
                return found
            await self._release(found)
        return await self._spawn()

    async def _spawn(self) -> WarmWorker:
        fresh = await warm_workers.spawn(self._paths)
        self._operation_ids.add(fresh.operation_id)
        return fresh

    async def _release(self, worker: WarmWorker) -> None:
        await warm_workers.end(worker)
        self._operation_ids.discard(worker.operation_id)

    # --- one operation

    async def _run(self, operation: Operation, hooks: _Hooks, interrupt_requested: asyncio.Event) -> OperationResult:
        started = _now()
        if interrupt_requested.is_set():
            return _result_without_worker(operation, started, Outcome.CANCELLED, "interrupted before it began")
        if operation.ref in self._busy_stacks:
            return _result_without_worker(operation, started, Outcome.FAILED, ALREADY_RUNNING)
        self._busy_stacks.add(operation.ref)
        try:
            veil = Redactor(operation.hidden)
            hooks = replace(hooks, progress=_redacted_progress(hooks.progress, veil))
            told = await self._perform(operation, hooks, interrupt_requested, started)
            result = _redacted(told, veil)
            self._save_result(result)
        except Exception as error:
            log.exception("the operation on %s could not be run", operation.ref)
            reason = f"its process could not be run ({type(error).__name__}: {error})"
            return _result_without_worker(operation, started, Outcome.FAILED, reason)
        finally:
            self._busy_stacks.discard(operation.ref)
        return result

    async def _perform(
        self, operation: Operation, hooks: _Hooks, interrupt_requested: asyncio.Event, started: datetime
    ) -> OperationResult:
        interpreter = await self._acquire()
        self._start_refill()
        self._sessions[operation.ref] = interpreter.process.pid
        mine = self._running_record(operation, interpreter, started)
        try:
            told = operation_records.new_log(self._paths, operation.ref, f"{started:%Y%m%dT%H%M%S.%f}-{operation.verb}")
            interpreter.log.replace(told)
            if mine is not None:
                operation_records.write_running(self._paths, mine)
            conversation = WorkerSession(interpreter, operation, hooks.progress, hooks.on_destroyed, self._lease_until)
            ending = await conversation.run(self._paths, self._version, interrupt_requested)
        finally:
            self._sessions.pop(operation.ref, None)
            await self._release(interpreter)
            if not operation_records.has_running(self._paths, operation.ref, excluding=mine):
                self._paths.backend.clean_up(operation.ref)
            if mine is not None:
                operation_records.delete_running(self._paths, mine)
        return ending.result or _died_without_result(operation, started, ending, told)

    def _running_record(
        self, operation: Operation, interpreter: WarmWorker, started: datetime
    ) -> operation_records.OperationRecord | None:
        """None: it is dead already."""
        worker = process_identity.identify(interpreter.process.pid)
        if worker is None:
            return None
        return operation_records.OperationRecord(
            ref=operation.ref,
            verb=operation.verb,
            operation=interpreter.operation_id,
            worker=worker,
            owner=process_identity.identify(os.getpid()),
            where=process_identity.pid_scope(),
            commit=operation.commit,
            started=started.isoformat(),
            until=process_identity.boot_clock() + operation.deadline + _DEADLINE_MARGIN,
        )

    def _save_result(self, result: OperationResult) -> None:
        """A tag that was written says nothing of why the last build failed; those words stay. Once another replica is
        at work there, it is its word that counts."""
        if operation_records.has_running(self._paths, result.ref):
            return
        done = result.outcome is Outcome.SUCCEEDED
        if done and result.verb is OperationVerb.DESTROY:
            operation_records.delete(self._paths, result.ref)
        elif not (done and result.verb.skips_pulumi):
            operation_records.write_last_result(self._paths, result)
        elif result.verb is not OperationVerb.RETAG:
            operation_records.clear_wake_failure(self._paths, result)

    # --- what is kept of operations

    def last_results(self) -> Iterable[OperationResult]:
        return operation_records.last_results(self._paths).values()

    def log_lines(self, ref: StackRef, limit: int) -> list[str]:
        path = operation_records.newest_log(self._paths, ref)
        try:
            return path.read_text(errors="replace").splitlines()[-limit:] if path is not None else []
        except FileNotFoundError:
            return []

    def forget(self, ref: StackRef) -> None:
        operation_records.delete(self._paths, ref)


async def _always(_: Operation) -> bool:
    return True


def _redacted_progress(progress: OnProgress, redactor: Redactor) -> OnProgress:
    return lambda text: progress(redactor(text))


def _subfolders(work: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return list(work.iterdir())
    return []


def _died_without_result(
    operation: Operation, started: datetime, worker_exit: WorkerExit, log: Path
) -> OperationResult:
    """A deadline is the commit's own failure, unlike an interrupt: it counts as a try."""
    if worker_exit.interrupted:
        return _result_without_worker(
            operation, started, Outcome.CANCELLED, f"interrupted, and ended by force after {GRACE:.0f} s"
        )
    reason = "the operation's process ended without a result (killed, or out of memory)"
    if worker_exit.timed_out:
        reason = f"it took longer than {operation.deadline:.0f} s and was ended by force"
    tail: tuple[str, ...] = ()
    with contextlib.suppress(OSError):
        tail = tuple(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
    return replace(_result_without_worker(operation, started, Outcome.FAILED, reason), tail=tail)


def _redacted(result: OperationResult, redactor: Redactor) -> OperationResult:
    """What people read of it, without the values that are hidden from them."""
    tail = tuple(redactor(line) for line in result.tail)
    return replace(result, error=redactor(result.error), step=redactor(result.step), tail=tail)


def _result_without_worker(operation: Operation, started: datetime, outcome: Outcome, error: str) -> OperationResult:
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
