"""The machine: what is there (``store``), and operations as processes that take steps.

An operation takes the steps of ``stacks.operations.lifecycle`` one at a time, and can be killed between any two steps.
What it has done by then stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from stacks.backends.update_history import MAX_READ
from stacks.executors.port import OnDestroyed, OnProgress, Recovery, StepPage
from stacks.model import (
    BuildInfo,
    Operation,
    OperationResult,
    OperationVerb,
    Outcome,
    StackLock,
    StackRecord,
    StackRef,
    StackUpdate,
    StrayFile,
)
from tests.worlds.model.problems import Problem
from tests.worlds.model.store import ModelStore, ModelWorker, TargetPart

STEP = 0.5
MAX_SUPERSEDED = 8
VERSION = "model-1"
TARGET = "local"


class OperationFailed(Exception):
    """The operation ends as failed, with this sentence."""


class ModelLane:
    """A lane: what the executor holds of a worker."""

    def __init__(self, worker: ModelWorker, result: asyncio.Future[OperationResult]) -> None:
        self._worker = worker
        self._result = result

    async def wait(self) -> OperationResult:
        return await asyncio.shield(self._result)

    def interrupt(self) -> None:
        self._worker.interrupted = True


class ModelMachine(ModelStore):
    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.kept_logs: set[StackRef] = set()
        self.kept_results: dict[StackRef, OperationResult] = {}
        self.built_commits: list[tuple[StackRef, str]] = []
        self.up_times: dict[tuple[StackRef, str], list[datetime]] = {}
        self.broken_commits: set[str] = set()
        self.peak_operations = 0
        self.superseded: dict[StackRef, int] = {}
        self.on_destroy: Callable[[Operation], None] = lambda _: None
        self._counter = 0

    # --- operations

    async def open(self) -> None:
        return

    def start(self, operation: Operation, progress: OnProgress, on_destroyed: OnDestroyed) -> ModelLane:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[OperationResult] = loop.create_future()
        worker = ModelWorker(operation, self.clock(), on_destroyed)
        for other in self.workers:
            if other.operation.ref == operation.ref or other.operation.name == operation.name:
                both = f"{operation.verb} of {operation.ref} while {other.operation.verb} of {other.operation.ref}"
                self.problems.append(Problem("overlaps", f"{both} is at work"))
        self.workers.append(worker)
        self.peak_operations = max(self.peak_operations, len([one for one in self.workers if not one.orphan]))
        self.kept_logs.add(operation.ref)
        worker.task = loop.create_task(self._run_operation(worker, progress))
        worker.task.add_done_callback(lambda task: self._finish(worker, task, result))
        return ModelLane(worker, result)

    def _finish(
        self, worker: ModelWorker, task: asyncio.Task[OperationResult], result: asyncio.Future[OperationResult]
    ) -> None:
        """As the pool does: a worker that died without a word has a result all the same, and leaves no half of one."""
        self.workers.remove(worker)
        self._unlock_dead(worker)
        if worker.orphan:
            return
        ref, verb, commit = worker.operation.ref, worker.operation.verb, worker.operation.commit
        why = "the worker exited without a result"
        dead = OperationResult(ref, verb, Outcome.FAILED, commit, worker.started_at, self.clock(), why)
        told = dead if task.cancelled() else task.result()
        self._count(told)
        if ref not in self.states:
            self.tags.pop(ref, None)
        if verb is OperationVerb.DESTROY and told.outcome is Outcome.SUCCEEDED:
            self.forget(ref)
        else:
            self.kept_results[ref] = told
        if not result.done():
            result.set_result(told)

    def _count(self, result: OperationResult) -> None:
        """How often in a row a build was broken off: a storm of pushes must not starve it."""
        if result.verb is not OperationVerb.UP or result.outcome is not Outcome.CANCELLED:
            self.superseded[result.ref] = 0
            return
        self.superseded[result.ref] = self.superseded.get(result.ref, 0) + 1
        if self.superseded[result.ref] > MAX_SUPERSEDED:
            self.problems.append(Problem("excess", f"{result.ref} was broken off {MAX_SUPERSEDED} times in a row"))

    def _unlock_dead(self, worker: ModelWorker) -> None:
        lock = self.locks.get(worker.operation.ref)
        if lock is not None and lock.id == worker.lock:
            self.locks[worker.operation.ref] = replace(lock, owner_dead=True)

    def forget(self, ref: StackRef) -> None:
        self.kept_logs.discard(ref)
        self.kept_results.pop(ref, None)

    def prune(self) -> None:
        self.built_commits.clear()
        self.up_times.clear()
        self.broken_commits &= {state.built.commit for state in self.states.values() if state.built}
        self.superseded = {ref: times for ref, times in self.superseded.items() if ref in self.states}

    def kill(self, index: int) -> None:
        """``kill -9`` of one operation."""
        alive = [worker.task for worker in self.workers if worker.task is not None]
        if alive:
            alive[index % len(alive)].cancel()

    def abandon(self, kill_operations: bool) -> None:
        """ephd is dead: its operations die with it, or cancel by themselves, in their time."""
        for worker in list(self.workers):
            worker.orphan = worker.interrupted = True
            if kill_operations and worker.task is not None:
                worker.task.cancel()

    def recover(self) -> Recovery:
        """A new process ends what an earlier one left, and tidies up."""
        orphans = [worker for worker in self.workers if worker.orphan and worker.task is not None]
        for worker in orphans:
            assert worker.task is not None
            worker.task.cancel()
        for ref in self.tags.keys() - self.states.keys():
            del self.tags[ref]
        return Recovery(tuple(worker.operation.ref for worker in orphans))

    def sessions(self) -> tuple[int, ...]:
        return ()

    def stray_files(self) -> list[StrayFile]:
        return []

    def delete_stray_file(self, file: StrayFile) -> None:
        """There are none."""

    def last_results(self) -> Iterable[OperationResult]:
        return tuple(self.kept_results.values())

    def log_lines(self, ref: StackRef, limit: int) -> list[str]:
        return []

    def steps(self, ref: StackRef, commit: str = "", since: str = "") -> StepPage:
        return StepPage()

    def step_commits(self, ref: StackRef) -> list[str]:
        return []

    async def close(self) -> None:
        return

    # --- one operation, step by step

    async def _run_operation(self, worker: ModelWorker, progress: OnProgress) -> OperationResult:
        operation = worker.operation
        try:
            async with asyncio.timeout(operation.deadline):
                error = await self._perform(worker, progress)
        except TimeoutError:
            error = f"it exceeded its deadline of {operation.deadline:.0f} s"
            self._write_history(operation, Outcome.FAILED)
            self._unlock(worker)
        except OperationFailed as refused:
            error = str(refused)
        outcome = Outcome.SUCCEEDED if not error else Outcome.CANCELLED if error == "interrupted" else Outcome.FAILED
        url = f"http://{operation.spec.host}" if operation.spec and not error else ""
        return OperationResult(
            operation.ref, operation.verb, outcome, operation.commit, worker.started_at, self.clock(), error, url=url
        )

    async def _perform(self, worker: ModelWorker, progress: OnProgress) -> str:
        match worker.operation.verb:
            case OperationVerb.UP:
                steps = self._up(worker, progress)
            case OperationVerb.DESTROY:
                steps = self._destroy(worker)
            case _:
                steps = self._retag(worker)
        return await steps

    async def _step(self, worker: ModelWorker) -> bool:
        """Whether it goes on: nobody asked it to end."""
        ref = worker.operation.ref
        while ref in self.faults.hanging and not worker.interrupted:
            await asyncio.sleep(STEP)
        await asyncio.sleep(STEP * (8 if ref in self.faults.slow else 1))
        return not worker.interrupted

    def _cancelled(self, worker: ModelWorker) -> str:
        self._write_history(worker.operation, Outcome.CANCELLED)
        self._unlock(worker)
        return "interrupted"

    def _break_dead_lock(self, worker: ModelWorker) -> None:
        ref = worker.operation.ref
        lock = self.locks.get(ref)
        if lock is not None and not lock.owner_dead:
            raise OperationFailed(f"the stack is locked by process {lock.pid} on {lock.host}, not proven dead")
        self.locks.pop(ref, None)

    def _lock(self, worker: ModelWorker) -> None:
        self._counter += 1
        worker.lock = f"lock-{self._counter}"
        self.locks[worker.operation.ref] = StackLock(
            worker.lock, self._counter, "here", "eph", self.clock(), owner_dead=False
        )

    def _unlock(self, worker: ModelWorker) -> None:
        lock = self.locks.get(worker.operation.ref)
        if lock is not None and lock.id == worker.lock:
            del self.locks[worker.operation.ref]

    def _should_fail(self, worker: ModelWorker) -> bool:
        ref, left = worker.operation.ref, self.faults.failing.get(worker.operation.ref, 0)
        if left:
            self.faults.failing[ref] = left - 1
        return bool(left) or worker.operation.commit in self.broken_commits

    def _write_history(self, operation: Operation, outcome: Outcome) -> None:
        state = self.states.get(operation.ref)
        if state is not None:
            commit = operation.commit if operation.verb is OperationVerb.UP else ""
            entry = StackUpdate(operation.verb, commit, outcome, self.clock().replace(microsecond=0))
            self.states[operation.ref] = replace(state, history=(*state.history, entry)[-MAX_READ:])

    async def _up(self, worker: ModelWorker, progress: OnProgress) -> str:
        operation, ref = worker.operation, worker.operation.ref
        self.up_times.setdefault((ref, operation.commit), []).append(self.clock())
        if not await self._step(worker):
            return "interrupted"
        self._break_dead_lock(worker)
        fresh = ref not in self.states
        self._write_tag(operation, fresh)
        await self._step(worker)
        if fresh:
            self.states[ref] = StackRecord(ref, target=operation.target)
        if not await self._step(worker):
            return self._cancelled(worker)
        if ref in self.faults.unreadable:
            raise OperationFailed("the state could not be read")
        self._lock(worker)
        if operation.refresh:
            lost = operation.name not in self.parts
            state = self.states[ref]
            self.states[ref] = replace(state, pending_operations=0, resource_count=0 if lost else state.resource_count)
        progress(f"building commit {operation.commit[:7]}")
        return await self._build(worker)

    async def _build(self, worker: ModelWorker) -> str:
        operation, ref, spec = worker.operation, worker.operation.ref, worker.operation.spec
        if spec is None:
            raise OperationFailed("an up needs a spec")
        self.states[ref] = replace(self.states[ref], pending_operations=self.states[ref].pending_operations + 1)
        self.built_commits.append((ref, operation.commit))
        whole = bool(self.states[ref].resource_count)
        if not whole or operation.name in self.parts:
            before = self.parts.get(operation.name)
            self.parts[operation.name] = TargetPart(ref, before.commit if before is not None and whole else "")
        if not await self._step(worker):
            return self._cancelled(worker)
        if self._should_fail(worker):
            self.states[ref] = replace(self.states[ref], pending_operations=self.states[ref].pending_operations - 1)
            self._write_history(operation, Outcome.FAILED)
            self._unlock(worker)
            raise OperationFailed("the build command failed")
        if not whole or operation.name in self.parts:  # a state that says it is there makes nothing anew
            self.parts[operation.name] = TargetPart(ref, operation.commit)
        await self._step(worker)
        url = f"http://{spec.host}"
        built = BuildInfo(operation.commit, spec.digest, VERSION, spec.target, url, {"web": url}, self.clock())
        state = self.states[ref]
        self.states[ref] = replace(
            state,
            built=built,
            resource_count=1,
            name_from_state=operation.name,
            pending_operations=state.pending_operations - 1,
            target=spec.target,
        )
        self._write_history(operation, Outcome.SUCCEEDED)
        await self._step(worker)
        self._unlock(worker)
        await self._step(worker)
        return ""

    def _write_tag(self, operation: Operation, fresh: bool) -> None:
        tag = operation.tag
        if tag is None:
            return
        before = None if fresh else self.tags.get(operation.ref)
        kept = "" if fresh else tag.incarnation or (before.incarnation if before else "")
        self._counter += not kept
        until = tag.extended_until.replace(microsecond=0) if tag.extended_until else None
        seen = tag.seen.replace(microsecond=0)
        self.tags[operation.ref] = replace(
            tag, incarnation=kept or f"{self._counter:08x}", seen=seen, extended_until=until
        )

    async def _destroy(self, worker: ModelWorker) -> str:
        operation, ref = worker.operation, worker.operation.ref
        self.on_destroy(operation)
        if not await self._step(worker):
            return "interrupted"
        self._break_dead_lock(worker)
        if ref in self.faults.unreadable:
            raise OperationFailed("the state could not be read")
        if ref in self.states:
            self._lock(worker)
            if not await self._step(worker):
                return self._cancelled(worker)
            if self._should_fail(worker):
                self._write_history(operation, Outcome.FAILED)
                self._unlock(worker)
                raise OperationFailed("a namespace hangs")
            for name in [
                name for name, part in self.parts.items() if part.ref == ref and self.states[ref].resource_count
            ]:
                del self.parts[name]
            self.states[ref] = replace(
                self.states[ref], built=None, resource_count=0, pending_operations=0, name_from_state=""
            )
            self._write_history(operation, Outcome.SUCCEEDED)
            await self._step(worker)
            self._unlock(worker)
        if operation.name:
            part = self.parts.pop(operation.name, None)  # the target's own purge
            if part is not None and part.ref != ref and part.ref in self.states:
                self.problems.append(Problem("lost", f"{operation.name} of {part.ref} went with {ref}"))
        await self._step(worker)
        if not await self._may_remove(worker):
            raise OperationFailed("everything is gone; the record stays until the pull request has been told")
        self.states.pop(ref, None)
        await self._step(worker)
        self.tags.pop(ref, None)
        await self._step(worker)
        return ""

    async def _may_remove(self, worker: ModelWorker) -> bool:
        if worker.interrupted or worker.orphan:
            return False
        return await worker.on_destroyed(worker.operation) and not worker.interrupted

    async def _retag(self, worker: ModelWorker) -> str:
        operation = worker.operation
        if not await self._step(worker):
            return "interrupted"
        if operation.ref not in self.states:
            raise OperationFailed("the stack no longer exists in the backend")
        self._write_tag(operation, fresh=False)
        return ""
