"""The machine: what is there (``store``), and operations as processes that take steps.

An operation takes the steps of ``stacks.lifecycle`` one at a time, and can be killed between any two; what it did so
far then stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime

from stacks.history import NEWEST
from stacks.model import (
    Built,
    Lock,
    Operation,
    OperationResult,
    Outcome,
    StackRecord,
    StackRef,
    Update,
    Verb,
)
from stacks.port import Progress
from tests.model.problems import Problem
from tests.model.store import Part, Store, Worker

STEP = 0.5
MOST_SUPERSEDED = 8
VERSION = "model-1"
TARGET = "local"


class Refused(Exception):
    """The operation ends as failed, with this sentence."""


class Worked:
    """A lane: what the executor holds of a worker."""

    def __init__(self, worker: Worker, result: asyncio.Future[OperationResult]) -> None:
        self._worker = worker
        self._result = result

    async def wait(self) -> OperationResult:
        return await asyncio.shield(self._result)

    def interrupt(self) -> None:
        self._worker.asked = True


class Machine(Store):
    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.logs: set[StackRef] = set()
        self.last: dict[StackRef, OperationResult] = {}
        self.ran: list[tuple[StackRef, str]] = []
        self.ups: dict[tuple[StackRef, str], list[datetime]] = {}
        self.broken_commits: set[str] = set()
        self.busiest = 0
        self.superseded: dict[StackRef, int] = {}
        self.emptied: Callable[[Operation], Coroutine[None, None, bool]] | None = None
        self.destroying: Callable[[Operation], None] = lambda _: None
        self._made = 0

    # --- operations

    def start(self, operation: Operation, progress: Progress) -> Worked:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[OperationResult] = loop.create_future()
        worker = Worker(operation, self.clock())
        for other in self.workers:
            if other.operation.ref == operation.ref or other.operation.name == operation.name:
                both = f"{operation.verb} of {operation.ref} while {other.operation.verb} of {other.operation.ref}"
                self.wrong.append(Problem("overlaps", f"{both} is at work"))
        self.workers.append(worker)
        self.busiest = max(self.busiest, len([one for one in self.workers if not one.orphan]))
        self.logs.add(operation.ref)
        worker.task = loop.create_task(self._live(worker, progress))
        worker.task.add_done_callback(lambda task: self._over(worker, task, result))
        return Worked(worker, result)

    def _over(
        self, worker: Worker, task: asyncio.Task[OperationResult], result: asyncio.Future[OperationResult]
    ) -> None:
        """As the pool does: a worker that died without a word has a result all the same, and leaves no half of one."""
        self.workers.remove(worker)
        self._unlock_dead(worker)
        if worker.orphan:
            return
        ref, verb, commit = worker.operation.ref, worker.operation.verb, worker.operation.commit
        why = "the worker ended without a result"
        dead = OperationResult(ref, verb, Outcome.FAILED, commit, worker.began, self.clock(), why)
        told = dead if task.cancelled() else task.result()
        self._count(told)
        if ref not in self.states:
            self.tags.pop(ref, None)
        if verb is Verb.DESTROY and told.outcome is Outcome.SUCCEEDED:
            self.forget(ref)
        else:
            self.last[ref] = told
        if not result.done():
            result.set_result(told)

    def _count(self, result: OperationResult) -> None:
        """How often in a row a build was broken off: a storm of pushes must not starve it."""
        if result.verb is not Verb.UP or result.outcome is not Outcome.CANCELLED:
            self.superseded[result.ref] = 0
            return
        self.superseded[result.ref] = self.superseded.get(result.ref, 0) + 1
        if self.superseded[result.ref] > MOST_SUPERSEDED:
            self.wrong.append(Problem("excess", f"{result.ref} was broken off {MOST_SUPERSEDED} times in a row"))

    def _unlock_dead(self, worker: Worker) -> None:
        lock = self.locks.get(worker.operation.ref)
        if lock is not None and lock.id == worker.lock:
            self.locks[worker.operation.ref] = replace(lock, owner_dead=True)

    def forget(self, ref: StackRef) -> None:
        self.logs.discard(ref)
        self.last.pop(ref, None)

    def forget_the_past(self) -> None:
        self.ran.clear()
        self.ups.clear()
        self.broken_commits &= {state.built.commit for state in self.states.values() if state.built}
        self.superseded = {ref: times for ref, times in self.superseded.items() if ref in self.states}

    def kill(self, which: int) -> None:
        """``kill -9`` of one operation."""
        alive = [worker for worker in self.workers if worker.task is not None]
        if alive:
            alive[which % len(alive)].task.cancel()

    def abandon(self, dead: bool) -> None:
        """ephd is dead: its operations die with it, or cancel by themselves, in their time."""
        for worker in list(self.workers):
            worker.orphan = worker.asked = True
            if dead and worker.task is not None:
                worker.task.cancel()
        self.emptied = None

    def recover(self) -> None:
        """A new life ends what an earlier one left, and tidies."""
        for worker in list(self.workers):
            if worker.orphan and worker.task is not None:
                worker.task.cancel()
        for ref in self.tags.keys() - self.states.keys():
            del self.tags[ref]

    # --- one operation, step by step

    async def _live(self, worker: Worker, progress: Progress) -> OperationResult:
        operation = worker.operation
        try:
            async with asyncio.timeout(operation.deadline):
                error = await self._perform(worker, progress)
        except TimeoutError:
            error = f"it took longer than {operation.deadline:.0f} s and was ended"
            self._written(operation, Outcome.FAILED)
            self._unlock(worker)
        except Refused as refused:
            error = str(refused)
        outcome = Outcome.SUCCEEDED if not error else Outcome.CANCELLED if error == "interrupted" else Outcome.FAILED
        url = f"http://{operation.spec.host}" if operation.spec and not error else ""
        return OperationResult(
            operation.ref, operation.verb, outcome, operation.commit, worker.began, self.clock(), error, url=url
        )

    async def _perform(self, worker: Worker, progress: Progress) -> str:
        match worker.operation.verb:
            case Verb.UP:
                steps = self._up(worker, progress)
            case Verb.DESTROY:
                steps = self._destroy(worker)
            case _:
                steps = self._retag(worker)
        return await steps

    async def _step(self, worker: Worker) -> bool:
        """Whether it goes on: nobody asked it to end."""
        ref = worker.operation.ref
        while ref in self.spoilt.hanging and not worker.asked:
            await asyncio.sleep(STEP)
        await asyncio.sleep(STEP * (8 if ref in self.spoilt.slow else 1))
        return not worker.asked

    def _cancelled(self, worker: Worker) -> str:
        self._written(worker.operation, Outcome.CANCELLED)
        self._unlock(worker)
        return "interrupted"

    def _take_over(self, worker: Worker) -> None:
        ref = worker.operation.ref
        lock = self.locks.get(ref)
        if lock is not None and not lock.owner_dead:
            raise Refused(f"the stack is locked by process {lock.pid} on {lock.host}, not proven dead")
        self.locks.pop(ref, None)

    def _lock(self, worker: Worker) -> None:
        self._made += 1
        worker.lock = f"lock-{self._made}"
        self.locks[worker.operation.ref] = Lock(worker.lock, self._made, "here", "eph", self.clock(), owner_dead=False)

    def _unlock(self, worker: Worker) -> None:
        lock = self.locks.get(worker.operation.ref)
        if lock is not None and lock.id == worker.lock:
            del self.locks[worker.operation.ref]

    def _fails(self, worker: Worker) -> bool:
        ref, left = worker.operation.ref, self.spoilt.failing.get(worker.operation.ref, 0)
        if left:
            self.spoilt.failing[ref] = left - 1
        return bool(left) or worker.operation.commit in self.broken_commits

    def _written(self, operation: Operation, outcome: Outcome) -> None:
        state = self.states.get(operation.ref)
        if state is not None:
            commit = operation.commit if operation.verb is Verb.UP else ""
            entry = Update(operation.verb, commit, outcome, self.clock().replace(microsecond=0))
            self.states[operation.ref] = replace(state, history=(*state.history, entry)[-NEWEST:])

    async def _up(self, worker: Worker, progress: Progress) -> str:
        operation, ref = worker.operation, worker.operation.ref
        self.ups.setdefault((ref, operation.commit), []).append(self.clock())
        if not await self._step(worker):
            return "interrupted"
        self._take_over(worker)
        fresh = ref not in self.states
        self._write_tag(operation, fresh)
        await self._step(worker)
        if fresh:
            self.states[ref] = StackRecord(ref, target=operation.target)
        if not await self._step(worker):
            return self._cancelled(worker)
        if ref in self.spoilt.unreadable:
            raise Refused("the state could not be read")
        self._lock(worker)
        if operation.refresh:
            lost = operation.name not in self.parts
            state = self.states[ref]
            self.states[ref] = replace(state, pending=0, resources=0 if lost else state.resources)
        progress(f"building commit {operation.commit[:7]}")
        return await self._make(worker)

    async def _make(self, worker: Worker) -> str:
        operation, ref, spec = worker.operation, worker.operation.ref, worker.operation.spec
        if spec is None:
            raise Refused("an up needs a spec")
        self.states[ref] = replace(self.states[ref], pending=self.states[ref].pending + 1)
        self.ran.append((ref, operation.commit))
        whole = bool(self.states[ref].resources)
        if not whole or operation.name in self.parts:
            before = self.parts.get(operation.name)
            self.parts[operation.name] = Part(ref, before.commit if before is not None and whole else "")
        if not await self._step(worker):
            return self._cancelled(worker)
        if self._fails(worker):
            self.states[ref] = replace(self.states[ref], pending=self.states[ref].pending - 1)
            self._written(operation, Outcome.FAILED)
            self._unlock(worker)
            raise Refused("the build command failed")
        if not whole or operation.name in self.parts:  # a state that says it is there makes nothing anew
            self.parts[operation.name] = Part(ref, operation.commit)
        await self._step(worker)
        url = f"http://{spec.host}"
        built = Built(operation.commit, spec.digest, VERSION, spec.target, url, {"web": url}, self.clock())
        state = self.states[ref]
        self.states[ref] = replace(
            state, built=built, resources=1, called=operation.name, pending=state.pending - 1, target=spec.target
        )
        self._written(operation, Outcome.SUCCEEDED)
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
        self._made += not kept
        until = tag.extended_until.replace(microsecond=0) if tag.extended_until else None
        seen = tag.seen.replace(microsecond=0)
        self.tags[operation.ref] = replace(
            tag, incarnation=kept or f"{self._made:08x}", seen=seen, extended_until=until
        )

    async def _destroy(self, worker: Worker) -> str:
        operation, ref = worker.operation, worker.operation.ref
        self.destroying(operation)
        if not await self._step(worker):
            return "interrupted"
        self._take_over(worker)
        if ref in self.spoilt.unreadable:
            raise Refused("the state could not be read")
        if ref in self.states:
            self._lock(worker)
            if not await self._step(worker):
                return self._cancelled(worker)
            if self._fails(worker):
                self._written(operation, Outcome.FAILED)
                self._unlock(worker)
                raise Refused("a namespace hangs")
            for name in [name for name, part in self.parts.items() if part.ref == ref and self.states[ref].resources]:
                del self.parts[name]
            self.states[ref] = replace(self.states[ref], built=None, resources=0, pending=0, called="")
            self._written(operation, Outcome.SUCCEEDED)
            await self._step(worker)
            self._unlock(worker)
        if operation.name:
            part = self.parts.pop(operation.name, None)  # the target's own purge
            if part is not None and part.ref != ref and part.ref in self.states:
                self.wrong.append(Problem("lost", f"{operation.name} of {part.ref} went with {ref}"))
        await self._step(worker)
        if not await self._may_remove(worker):
            raise Refused("everything is gone; the record stays until the pull request has been told")
        self.states.pop(ref, None)
        await self._step(worker)
        self.tags.pop(ref, None)
        await self._step(worker)
        return ""

    async def _may_remove(self, worker: Worker) -> bool:
        if worker.asked or self.emptied is None:
            return False
        return await self.emptied(worker.operation) and not worker.asked

    async def _retag(self, worker: Worker) -> str:
        operation = worker.operation
        if not await self._step(worker):
            return "interrupted"
        if operation.ref not in self.states:
            raise Refused("the stack is not in the backend any more")
        self._write_tag(operation, fresh=False)
        return ""
