"""Operations as processes on this machine: a warm worker for each, terminated as a whole, always with exactly one
result.

A worker that dies without a result (``kill -9``, out of memory) yields a failed result, too. Whatever it left in its
session is killed before that result is returned, so the next operation on that stack never meets a half-dead one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from programs.redaction import Redactor
from stacks import process_identity, stray_files
from stacks.executors import wording
from stacks.executors.port import ExecutorSettings, OnDestroyed, OnProgress, Recovery, StepPage
from stacks.executors.process import operation_records, recovery, results, stale_files, step_files
from stacks.executors.process import wording as process_wording
from stacks.executors.process.warm_workers import WarmWorker
from stacks.executors.process.worker_pool import WorkerPool
from stacks.executors.process.worker_protocol import DEFAULT_TIMING, SessionTiming, WorkerSession
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRef, StrayFile
from stacks.operations.worker_settings import OPERATION_ENV

_DEADLINE_MARGIN = 30.0
"""Seconds after its deadline within which an operation has ended: it is interrupted, then killed."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Hooks:
    """The callbacks of a running operation, and the event that interrupts it."""

    progress: OnProgress
    on_destroyed: OnDestroyed
    interrupt: asyncio.Event


class ProcessLane:
    def __init__(self, task: asyncio.Task[OperationResult], interrupt: Callable[[], None]) -> None:
        self._task = task
        self._interrupt = interrupt

    async def wait(self) -> OperationResult:
        return await asyncio.shield(self._task)

    def interrupt(self) -> None:
        self._interrupt()


class ProcessExecutor:
    def __init__(self, settings: ExecutorSettings, timing: SessionTiming = DEFAULT_TIMING) -> None:
        self._settings = settings
        self._timing = timing
        self._records = settings.records
        self._work = settings.worker.work
        self._backend = settings.worker.backend
        self._workers = WorkerPool(settings.worker, settings.warm_workers)
        self._busy_stacks: set[StackRef] = set()
        self._sessions: dict[StackRef, int] = {}
        self._lanes: dict[asyncio.Task[OperationResult], asyncio.Event] = {}
        self._closed = False

    async def open(self) -> None:
        await asyncio.to_thread(self._prepare)
        self._workers.refill()

    def start(self, operation: Operation, progress: OnProgress, on_destroyed: OnDestroyed) -> ProcessLane:
        hooks = _Hooks(progress, on_destroyed, asyncio.Event())
        if self._closed:
            hooks.interrupt.set()
        task = asyncio.create_task(self._run(operation, hooks))
        self._lanes[task] = hooks.interrupt
        task.add_done_callback(self._lanes.pop)
        return ProcessLane(task, hooks.interrupt.set)

    def recover(self) -> Recovery:
        """Waits a few seconds at most for the processes that it kills. Their locks then belong to a dead owner, and
        their work is half-finished. Without replicas it also removes the files they left."""
        if self._has_replicas:
            return recovery.recover(self._records, self._backend, exclusive=False)
        found = recovery.recover(self._records, self._backend, exclusive=True)
        for folder in self._foreign_work_folders():
            shutil.rmtree(folder, ignore_errors=True)
        self._backend.clean_up_all()
        return found

    def sessions(self) -> tuple[int, ...]:
        """The first process of each running operation. All its processes are in that session."""
        return tuple(self._sessions.values())

    async def close(self) -> None:
        self._closed = True
        for interrupt in self._lanes.values():
            interrupt.set()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        await self._workers.close()

    # --- what is kept of operations

    def last_results(self) -> Iterable[OperationResult]:
        return operation_records.last_results(self._records).values()

    def log_lines(self, ref: StackRef, limit: int) -> list[str]:
        path = operation_records.newest_log(self._records, ref)
        try:
            return path.read_text(errors="replace").splitlines()[-limit:] if path is not None else []
        except FileNotFoundError:
            return []

    def steps(self, ref: StackRef, commit: str = "", since: str = "") -> StepPage:
        return step_files.read(self._records, ref, commit, since)

    def step_commits(self, ref: StackRef) -> list[str]:
        return step_files.commits(self._records, ref)

    def forget(self, ref: StackRef) -> None:
        operation_records.delete(self._records, ref)

    def stray_files(self) -> list[StrayFile]:
        return list(stale_files.find(self._records, self._work))

    def delete_stray_file(self, file: StrayFile) -> None:
        if file in self.stray_files():
            stray_files.delete_path(Path(file.path))

    # --- folders

    @property
    def _has_replicas(self) -> bool:
        return self._settings.lease_until is not None

    def _prepare(self) -> None:
        """With replicas, each has its own work folder. A process still running there keeps its folder: the leader kills
        it."""
        self._settings.worker.create_folders()
        self._records.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in self._foreign_work_folders() if self._has_replicas else ():
            if not any(process_identity.pids_with_variable(OPERATION_ENV, folder.name)):
                shutil.rmtree(folder, ignore_errors=True)

    def _foreign_work_folders(self) -> list[Path]:
        """Folders of an earlier process of this ephd."""
        with contextlib.suppress(FileNotFoundError):
            return [folder for folder in self._work.iterdir() if folder.name not in self._workers.operation_ids]
        return []

    # --- one operation

    async def _run(self, operation: Operation, hooks: _Hooks) -> OperationResult:
        started = results.now()
        if hooks.interrupt.is_set():
            return results.without_worker(operation, started, Outcome.CANCELLED, wording.INTERRUPTED_BEFORE_START)
        if operation.ref in self._busy_stacks:
            return results.without_worker(operation, started, Outcome.FAILED, wording.ALREADY_RUNNING)
        self._busy_stacks.add(operation.ref)
        try:
            redactor = Redactor(operation.hidden)
            hooks = replace(hooks, progress=_redacted_progress(hooks.progress, redactor))
            result = results.redacted(await self._perform(operation, hooks, started), redactor)
            self._save_result(result)
        except Exception as error:
            log.exception("couldn't run the operation on %s", operation.ref)
            reason = process_wording.not_started(type(error).__name__, error)
            return results.without_worker(operation, started, Outcome.FAILED, reason)
        finally:
            self._busy_stacks.discard(operation.ref)
        return result

    async def _perform(self, operation: Operation, hooks: _Hooks, started: datetime) -> OperationResult:
        worker = await self._workers.acquire()
        if not operation.verb.skips_pulumi:
            self._workers.refill()
        self._sessions[operation.ref] = worker.process.pid
        mine = _running_record(operation, worker, started)
        try:
            path = operation_records.new_log(
                self._records, operation.ref, f"{started:%Y%m%dT%H%M%S.%f}-{operation.verb}"
            )
            worker.log.replace(path)
            if mine is not None:
                operation_records.write_running(self._records, mine)
            session = WorkerSession(
                worker, operation, hooks.progress, hooks.on_destroyed, self._settings.lease_until, self._timing
            )
            steps = self._steps_file(operation, started)
            ended = await session.run(self._settings.worker, self._settings.version, hooks.interrupt, steps)
        finally:
            self._sessions.pop(operation.ref, None)
            await self._workers.release(worker)
            self._workers.refill()  # not before a short operation ends: both together take twice as long
            if not operation_records.has_running(self._records, operation.ref, excluding=mine):
                await self._clean_up(operation.ref)
            if mine is not None:
                operation_records.delete_running(self._records, mine)
            if operation.verb is OperationVerb.WAKE:
                step_files.delete_old_wakes(self._records, operation.ref)
        return ended.result or results.of_silent_worker(operation, started, ended, path)

    async def _clean_up(self, ref: StackRef) -> None:
        """A backend may be slow. If it can't be reached, that changes nothing about how the operation ended."""
        try:
            await asyncio.to_thread(self._backend.clean_up, ref)
        except OSError:
            log.exception("couldn't clean up after the operation on %s", ref)

    def _steps_file(self, operation: Operation, started: datetime) -> Path | None:
        match operation.verb:
            case OperationVerb.UP:
                return step_files.new_file(self._records, operation.ref, started, operation.commit)
            case OperationVerb.WAKE if operation.commit:
                return step_files.wake_file(self._records, operation.ref, started, operation.commit)
            case _:
                return None

    def _save_result(self, result: OperationResult) -> None:
        """A tag update doesn't explain why the last build failed, so that build's result stays. Once another replica
        works on the stack, its result counts."""
        if operation_records.has_running(self._records, result.ref):
            return
        succeeded = result.outcome is Outcome.SUCCEEDED
        if succeeded and result.verb is OperationVerb.DESTROY:
            operation_records.delete(self._records, result.ref)
        elif not (succeeded and result.verb.skips_pulumi):
            operation_records.write_last_result(self._records, result)
        elif result.verb is not OperationVerb.RETAG:
            operation_records.clear_wake_failure(self._records, result)


def _redacted_progress(progress: OnProgress, redactor: Redactor) -> OnProgress:
    return lambda text: progress(redactor(text))


def _running_record(
    operation: Operation, worker: WarmWorker, started: datetime
) -> operation_records.OperationRecord | None:
    """None if the worker is already dead."""
    identity = process_identity.identify(worker.process.pid)
    if identity is None:
        return None
    return operation_records.OperationRecord(
        ref=operation.ref,
        verb=operation.verb,
        operation=worker.operation_id,
        worker=identity,
        owner=process_identity.identify(os.getpid()),
        where=process_identity.pid_scope(),
        commit=operation.commit,
        started=started.isoformat(),
        until=process_identity.boot_clock() + operation.deadline + _DEADLINE_MARGIN,
    )
