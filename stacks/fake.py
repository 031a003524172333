"""Stacks in memory: the inventory and the operations of ``port``, for stories and for trying things out.

It keeps records as the real thing leaves them, proven by one contract suite on both (tests/stacks/test_contract.py).
Operations take no time, except those of a stack that is held; ``fail`` makes the next ones go wrong; ``crash`` is the
``kill -9`` of everything. No Pulumi, no process, no file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from stacks import tags
from stacks.conversation import Emptied
from stacks.history import NEWEST
from stacks.model import (
    Built,
    Lock,
    Operation,
    OperationResult,
    Outcome,
    Pinned,
    StackRecord,
    StackRef,
    StackSnapshot,
    Update,
    Verb,
)
from stacks.pool import ALREADY
from stacks.port import Progress

VERSION = "fake-1"
_PID = 4711


@dataclass(slots=True)
class _Failure:
    error: str
    times: int
    retryable: bool
    verb: Verb | None


@dataclass(slots=True)
class _Way:
    """How an operation ends: by itself, or because somebody asked."""

    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False


class FakeLane:
    def __init__(self, task: asyncio.Task[OperationResult], way: _Way) -> None:
        self._task = task
        self._way = way

    async def wait(self) -> OperationResult:
        return await asyncio.shield(self._task)

    def interrupt(self) -> None:
        self._way.interrupted.set()


class FakeStacks:
    """``Inventory`` and ``Operations`` in one. ``started`` lists every operation in the order of its start."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.emptied: Emptied | None = None
        self.records: dict[StackRef, StackRecord] = {}
        self.incomplete = ""
        self.foreign = 0
        self.started: list[Operation] = []
        self._held: dict[StackRef, asyncio.Event] = {}
        self._failures: dict[StackRef, _Failure] = {}
        self._running: dict[StackRef, tuple[asyncio.Task[OperationResult], _Way]] = {}
        self._left: list[StackRef] = []
        self._lives = 0
        self._closed = False

    # --- the world's verbs

    def hold(self, ref: StackRef) -> None:
        """Operations on this stack take until ``release``, an interrupt, ``overrun`` or ``crash``."""
        self._held.setdefault(ref, asyncio.Event())

    def release(self, ref: StackRef) -> None:
        if ref in self._held:
            self._held.pop(ref).set()

    def fail(self, ref: StackRef, error: str, times: int = 1, retryable: bool = True, verb: Verb | None = None) -> None:
        """The next operations on this stack fail, or the next of one verb."""
        self._failures[ref] = _Failure(error, times, retryable, verb)

    def mend(self, ref: StackRef) -> None:
        self._failures.pop(ref, None)

    def overrun(self, ref: StackRef) -> None:
        """The deadline of the operation that is held passes."""
        way = self._running[ref][1]
        way.late = True
        way.interrupted.set()

    def crash(self) -> None:
        """``kill -9`` of all that runs: no result, locks of dead owners, something half-done. A new life begins."""
        for ref, (task, _) in self._running.items():
            task.cancel()
            self._left.append(ref)
            if ref in self.records:
                record = self.records[ref]
                dead = tuple(replace(lock, owner_dead=True) for lock in record.locks)
                self.records[ref] = replace(record, locks=dead, pending=1)
        self._running.clear()
        self._held.clear()

    # --- Inventory

    def snapshot(self) -> StackSnapshot:
        stacks = dict(sorted(self.records.items()))
        return StackSnapshot(stacks, not self.incomplete, self.incomplete, self.foreign)

    # --- Operations

    def start(self, operation: Operation, progress: Progress) -> FakeLane:
        way = _Way()
        if self._closed:
            way.interrupted.set()
        self.started.append(operation)
        task = asyncio.create_task(self._run(operation, progress, way))
        before = self._running.get(operation.ref)
        if before is None or before[0].done():
            self._running[operation.ref] = (task, way)
            task.add_done_callback(lambda done: self._gone(operation.ref, done))
        return FakeLane(task, way)

    def recover(self) -> list[StackRef]:
        ended, self._left = self._left, []
        return ended

    async def close(self) -> None:
        self._closed = True
        running = list(self._running.values())
        for _, way in running:
            way.interrupted.set()
        await asyncio.gather(*(task for task, _ in running), return_exceptions=True)

    # --- one operation

    def _gone(self, ref: StackRef, task: asyncio.Task[OperationResult]) -> None:
        if ref in self._running and self._running[ref][0] is task:
            del self._running[ref]

    async def _run(self, operation: Operation, progress: Progress, way: _Way) -> OperationResult:
        began = self.now()
        if way.interrupted.is_set():
            return self._result(operation, began, Outcome.CANCELLED, "interrupted before it began")
        first = self._running.get(operation.ref)
        refused = ALREADY if first and first[1] is not way else self._begin(operation)
        if refused:
            return self._result(operation, began, Outcome.FAILED, refused)
        if operation.verb is Verb.RETAG:
            return self._result(operation, began, Outcome.SUCCEEDED)
        if operation.verb in (Verb.SLEEP, Verb.WAKE):
            await self._while_held(operation.ref, way)
            return self._rested(operation, began, way)
        if operation.verb is Verb.UP:
            progress(f"building commit {operation.commit[:7]}")
        await self._while_held(operation.ref, way)
        return await self._end(operation, began, way)

    def _begin(self, operation: Operation) -> str:
        """What the store holds once the operation is under way; a sentence when it cannot begin."""
        ref, record = operation.ref, self.records.get(operation.ref)
        alive = [lock for lock in record.locks if not lock.owner_dead] if record else []
        if alive:
            return f"the stack is locked by process {alive[0].pid} on {alive[0].host}, not proven dead"
        if record is None and operation.verb is Verb.DESTROY:
            return ""
        if record is None and operation.verb is not Verb.UP:
            return "the stack is not in the backend any more"
        fresh = record is None
        record = replace(record or StackRecord(ref, target=operation.target), locks=())
        if operation.spec is not None and operation.spec.images:
            spec = operation.spec
            record = replace(record, pinned=Pinned(operation.commit, dict(spec.images), dict(spec.found)))
        self.records[ref] = self._tagged(record, operation, fresh)
        if not operation.verb.is_light:
            lock = Lock(f"fake-{len(self.started)}", _PID, "fake", "eph", self.now(), owner_dead=False)
            self.records[ref] = replace(self.records[ref], locks=(lock,))
        return ""

    def _tagged(self, record: StackRecord, operation: Operation, fresh: bool) -> StackRecord:
        tag = operation.tag
        if tag is None or operation.verb not in (Verb.UP, Verb.RETAG, Verb.SLEEP, Verb.WAKE):
            return record
        if operation.verb is Verb.WAKE:
            slept = record.tag.asleep if record.tag else None
            tag = replace(tag, asleep=slept or self.now(), awake_until=None)
        tag = replace(tag, half=operation.verb in (Verb.SLEEP, Verb.WAKE))
        kept = "" if fresh else tag.incarnation or (record.tag.incarnation if record.tag else "")
        self._lives += not kept
        written = tags.encode(replace(tag, incarnation=kept or f"{self._lives:08x}"))
        return replace(record, tag=tags.decode(written))

    def _rested(self, operation: Operation, began: datetime, way: _Way) -> OperationResult:
        """A start that fails is taken back; one that is interrupted stays half-way."""
        if way.interrupted.is_set() and not way.late:
            return self._result(operation, began, Outcome.CANCELLED, "interrupted")
        record, failure = self.records[operation.ref], self._failure(operation)
        if failure is not None or way.late:
            if record.tag is not None:
                self.records[operation.ref] = replace(record, tag=replace(record.tag, half=False))
            error = failure.error if failure else f"it took longer than {operation.deadline:.0f} s and was ended"
            return self._result(operation, began, Outcome.FAILED, error)
        if operation.tag is not None and record.tag is not None:
            tag = replace(operation.tag, incarnation=record.tag.incarnation)
            self.records[operation.ref] = replace(record, tag=tags.decode(tags.encode(tag)))
        return self._result(operation, began, Outcome.SUCCEEDED)

    async def _while_held(self, ref: StackRef, way: _Way) -> None:
        held = self._held.get(ref)
        if held is None:
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (held, way.interrupted)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _end(self, operation: Operation, began: datetime, way: _Way) -> OperationResult:
        if way.late:
            self._written(operation, Outcome.FAILED)
            late = f"it took longer than {operation.deadline:.0f} s and was ended"
            return self._result(operation, began, Outcome.FAILED, late)
        if way.interrupted.is_set():
            self._written(operation, Outcome.CANCELLED)
            return self._result(operation, began, Outcome.CANCELLED, "interrupted")
        failure = self._failure(operation)
        if failure is not None:
            self._written(operation, Outcome.FAILED)
            result = self._result(operation, began, Outcome.FAILED, failure.error)
            return replace(result, retryable=failure.retryable)
        return await self._succeeded(operation, began)

    def _failure(self, operation: Operation) -> _Failure | None:
        failure = self._failures.get(operation.ref)
        if failure is None or failure.verb not in (None, operation.verb):
            return None
        failure.times -= 1
        if failure.times <= 0:
            del self._failures[operation.ref]
        return failure

    async def _succeeded(self, operation: Operation, began: datetime) -> OperationResult:
        ref = operation.ref
        self._written(operation, Outcome.SUCCEEDED)
        if operation.verb is Verb.UP:
            return self._build(operation, began)
        if operation.verb is Verb.REFRESH:
            self.records[ref] = replace(self.records[ref], pending=0)
            return self._result(operation, began, Outcome.SUCCEEDED)
        if ref in self.records:
            self.records[ref] = replace(self.records[ref], built=None, resources=0, pending=0)
        if self.emptied is not None and not await self.emptied(operation):
            kept = "everything is gone; the record stays until the pull request has been told"
            return self._result(operation, began, Outcome.FAILED, kept)
        self.records.pop(ref, None)
        return self._result(operation, began, Outcome.SUCCEEDED)

    def _build(self, operation: Operation, began: datetime) -> OperationResult:
        spec, before = operation.spec, self.records[operation.ref]
        if spec is None:
            return self._result(operation, began, Outcome.FAILED, "ValueError: an up needs a spec")
        url = f"http://{spec.host}"
        urls = {item.name: url for item in spec.services if item.public}
        images = (dict(spec.images), dict(spec.found))
        built = Built(operation.commit, spec.digest, VERSION, spec.target, url, urls, self.now(), *images)
        count = len(spec.services) + len(spec.databases)
        pending = 0 if operation.refresh else before.pending
        parts = {f"Service:{spec.name}/{item.name}": f"service-{item.name}" for item in spec.services}
        parts |= {f"Database:{spec.name}/{item.name}": f"database-{item.name}" for item in spec.databases}
        fresh = replace(before, built=built, resources=count, pending=pending, target=spec.target, parts=parts)
        self.records[operation.ref] = fresh
        changes = {"update": count} if before.built else {"create": count}
        result = self._result(operation, began, Outcome.SUCCEEDED)
        return replace(result, url=url, changes=changes, pulumi_processes=1 if before.built else 2)

    def _written(self, operation: Operation, outcome: Outcome) -> None:
        """The entry in the stack's own history, and the lock let go of."""
        record = self.records.get(operation.ref)
        if record is not None:
            commit = operation.commit if operation.verb is Verb.UP else ""
            entry = Update(operation.verb, commit, outcome, self.now().replace(microsecond=0))
            past = (*record.history, entry)[-NEWEST:]
            self.records[operation.ref] = replace(record, locks=(), history=past)

    def _result(self, operation: Operation, began: datetime, outcome: Outcome, error: str = "") -> OperationResult:
        ref, verb, commit = operation.ref, operation.verb, operation.commit
        return OperationResult(ref, verb, outcome, commit, began, self.now(), error)
