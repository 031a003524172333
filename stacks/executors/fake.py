"""Operations in memory, on the backend in memory: for stories and for trying things out.

It leaves the same records as a real executor, proven by one contract suite on both (tests/contracts/test_executors.py).
Operations take no time, except those of a stack that is held. ``fail`` makes the next ones fail, and ``crash`` is a
``kill -9`` of everything. No Pulumi, no processes, no files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from programs.kit.identifiers import service_host
from programs.steps import StepEvent, StepEventKind, StepName
from stacks import tags
from stacks.backends.fake import FakeBackend
from stacks.backends.update_history import MAX_READ
from stacks.executors import wording
from stacks.executors.fake_lane import FakeFailure, FakeLane, Interruption
from stacks.executors.port import OnDestroyed, OnProgress, Recovery, StepPage
from stacks.model import (
    BuildInfo,
    Operation,
    OperationResult,
    OperationVerb,
    Outcome,
    PinnedImages,
    StackLock,
    StackRecord,
    StackRef,
    StackUpdate,
    StrayFile,
)
from stacks.operations import wording as operation_wording

VERSION = "fake-1"
_PID = 4711


class FakeExecutor:
    """``started`` lists all operations in the order they started. ``remote`` contains what other replicas left,
    ``logs`` what operations printed, ``step_events`` the steps of builds with their commit, and ``forgotten`` the
    stacks whose results and logs were deleted."""

    def __init__(
        self, backend: FakeBackend | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.backend = backend or FakeBackend()
        self.now = now
        self.remote = Recovery()
        self.logs: dict[StackRef, list[str]] = {}
        self.step_events: dict[StackRef, list[tuple[str, StepEvent]]] = {}
        self.forgotten: list[StackRef] = []
        self._last_results: dict[StackRef, OperationResult] = {}
        self.started: list[Operation] = []
        self._held: dict[StackRef, asyncio.Event] = {}
        self._failures: dict[StackRef, FakeFailure] = {}
        self._running: dict[StackRef, tuple[asyncio.Task[OperationResult], Interruption]] = {}
        self._refused: dict[StackRef, str] = {}
        self._broken_lane = ""
        self._crashed: list[StackRef] = []
        self._incarnations = 0
        self._closed = False

    @property
    def records(self) -> dict[StackRef, StackRecord]:
        """The stacks in the backend."""
        return self.backend.records

    # --- verbs of tests

    def hold(self, ref: StackRef) -> None:
        """Operations on this stack run until ``release``, an interrupt, ``time_out`` or ``crash``."""
        self._held.setdefault(ref, asyncio.Event())

    def release(self, ref: StackRef) -> None:
        if ref in self._held:
            self._held.pop(ref).set()

    def fail(
        self, ref: StackRef, error: str, times: int = 1, retryable: bool = True, verb: OperationVerb | None = None
    ) -> None:
        """Makes the next operations on this stack fail, or only those of one verb."""
        self._failures[ref] = FakeFailure(error, times, retryable, verb)

    def refuse_start(self, ref: StackRef, error: str) -> None:
        """Makes starting operations on this stack fail, or succeed again if ``error`` is empty."""
        self._refused[ref] = error

    def break_next_lane(self, error: str) -> None:
        """Makes the next operation end without a result."""
        self._broken_lane = error

    def clear_failure(self, ref: StackRef) -> None:
        self._failures.pop(ref, None)

    def time_out(self, ref: StackRef) -> None:
        """Lets the deadline of the held operation pass."""
        way = self._running[ref][1]
        way.timed_out = True
        way.interrupted.set()

    def crash(self) -> None:
        """``kill -9`` of everything running: no results, locks of dead owners, half-finished work. Then starts
        afresh."""
        for ref, (task, _) in self._running.items():
            task.cancel()
            self._crashed.append(ref)
            if ref in self.records:
                record = self.records[ref]
                dead = tuple(replace(lock, owner_dead=True) for lock in record.locks)
                pending = 1 if dead else record.pending_operations  # what skips Pulumi leaves nothing pending
                self.records[ref] = replace(record, locks=dead, pending_operations=pending)
        self._running.clear()
        self._held.clear()

    # --- Executor

    async def open(self) -> None:
        return

    def start(self, operation: Operation, progress: OnProgress, on_destroyed: OnDestroyed) -> FakeLane:
        if error := self._refused.get(operation.ref):
            raise OSError(error)
        if error := self._broken_lane:
            self._broken_lane = ""
            return FakeLane(asyncio.create_task(_break(error)), Interruption(on_destroyed))
        way = Interruption(on_destroyed)
        if self._closed:
            way.interrupted.set()
        self.started.append(operation)
        task = asyncio.create_task(self._run(operation, progress, way))
        before = self._running.get(operation.ref)
        if before is None or before[0].done():
            self._running[operation.ref] = (task, way)
            task.add_done_callback(lambda done: self._on_done(operation.ref, done))
        return FakeLane(task, way)

    def recover(self) -> Recovery:
        ended, self._crashed = self._crashed, []
        return replace(self.remote, ended=(*self.remote.ended, *ended))

    def sessions(self) -> tuple[int, ...]:
        return ()

    def stray_files(self) -> list[StrayFile]:
        return []

    def delete_stray_file(self, file: StrayFile) -> None:
        """There are none."""

    def last_results(self) -> Iterable[OperationResult]:
        return tuple(self._last_results.values())

    def log_lines(self, ref: StackRef, limit: int) -> list[str]:
        return self.logs.get(ref, [])[-limit:]

    def steps(self, ref: StackRef, commit: str = "", since: str = "") -> StepPage:
        found = self.step_events.get(ref, [])
        if since:
            rest = found[int(since) :]
            return StepPage(tuple(event for _, event in rest), str(len(found)), rest[-1][0] if rest else "")
        chosen = commit or (found[-1][0] if found else "")
        mine = tuple(event for of, event in found if chosen and of.startswith(chosen))
        return StepPage(mine, str(len(found)) if mine else "", chosen if mine else "")

    def step_commits(self, ref: StackRef) -> list[str]:
        newest_first = dict.fromkeys(commit for commit, _ in reversed(self.step_events.get(ref, [])))
        return list(newest_first)[::-1]

    def forget(self, ref: StackRef) -> None:
        self.step_events.pop(ref, None)
        self.forgotten.append(ref)
        self.logs.pop(ref, None)
        self._last_results.pop(ref, None)

    async def close(self) -> None:
        self._closed = True
        running = list(self._running.values())
        for _, way in running:
            way.interrupted.set()
        await asyncio.gather(*(task for task, _ in running), return_exceptions=True)

    # --- one operation

    def _on_done(self, ref: StackRef, task: asyncio.Task[OperationResult]) -> None:
        if ref in self._running and self._running[ref][0] is task:
            del self._running[ref]

    async def _run(self, operation: Operation, progress: OnProgress, interruption: Interruption) -> OperationResult:
        began = self.now()
        if interruption.interrupted.is_set():
            return self._result(operation, began, Outcome.CANCELLED, "interrupted before it started")
        first = self._running.get(operation.ref)
        if first and first[1] is not interruption:
            return self._result(operation, began, Outcome.FAILED, wording.ALREADY_RUNNING)
        result = await self._perform(operation, progress, interruption, began)
        succeeded = result.outcome is Outcome.SUCCEEDED
        if succeeded and operation.verb is OperationVerb.DESTROY:
            self._last_results.pop(operation.ref, None)
            self.step_events.pop(operation.ref, None)
        elif not (succeeded and operation.verb.skips_pulumi):
            self._last_results[operation.ref] = result
        return result

    async def _perform(
        self, operation: Operation, progress: OnProgress, interruption: Interruption, began: datetime
    ) -> OperationResult:
        unrecorded = self._failures.get(operation.ref)
        if unrecorded and unrecorded.verb is operation.verb is OperationVerb.RETAG:
            return self._result(operation, began, Outcome.FAILED, unrecorded.error)
        refused = self._begin(operation)
        if refused:
            return self._result(operation, began, Outcome.FAILED, refused)
        if operation.verb is OperationVerb.RETAG:
            return self._result(operation, began, Outcome.SUCCEEDED)
        if operation.verb in (OperationVerb.SLEEP, OperationVerb.WAKE):
            await self._wait_until_released(operation.ref, interruption)
            return self._finish_sleep_or_wake(operation, began, interruption)
        if operation.verb is OperationVerb.UP:
            progress(f"building commit {operation.commit[:7]}")
        await self._wait_until_released(operation.ref, interruption)
        return await self._finish(operation, began, interruption)

    def _begin(self, operation: Operation) -> str:
        """Applies what the store contains once the operation has started. Returns an error if it can't start."""
        ref, record = operation.ref, self.records.get(operation.ref)
        alive = [lock for lock in record.locks if not lock.owner_dead] if record else []
        if alive:
            return f"the stack is locked by process {alive[0].pid} on {alive[0].host}, which isn't proven dead"
        if record is None and operation.verb is OperationVerb.DESTROY:
            return ""
        if record is None and operation.verb is not OperationVerb.UP:
            return "the stack no longer exists in the backend"
        fresh = record is None
        record = replace(record or StackRecord(ref, target=operation.target), locks=())
        if operation.spec is not None and operation.spec.images:
            spec = operation.spec
            record = replace(record, pinned_images=PinnedImages(operation.commit, dict(spec.images), dict(spec.found)))
        self.records[ref] = self._with_tag(record, operation, fresh)
        if not operation.verb.skips_pulumi:
            lock = StackLock(f"fake-{len(self.started)}", _PID, "fake", "eph", self.now(), owner_dead=False)
            self.records[ref] = replace(self.records[ref], locks=(lock,))
        return ""

    def _with_tag(self, record: StackRecord, operation: Operation, fresh: bool) -> StackRecord:
        tag = operation.tag
        if tag is None or operation.verb not in (
            OperationVerb.UP,
            OperationVerb.RETAG,
            OperationVerb.SLEEP,
            OperationVerb.WAKE,
        ):
            return record
        if operation.verb is OperationVerb.WAKE:
            slept = record.tag.asleep if record.tag else None
            tag = replace(tag, asleep=slept or self.now(), awake_until=None)
        tag = replace(tag, half=operation.verb in (OperationVerb.SLEEP, OperationVerb.WAKE))
        kept = "" if fresh else tag.incarnation or (record.tag.incarnation if record.tag else "")
        self._incarnations += not kept
        written = tags.encode(replace(tag, incarnation=kept or f"{self._incarnations:08x}"))
        kept = record.variables if operation.variables is None else operation.variables
        return replace(record, tag=tags.decode(written), variables="" if fresh else kept)

    def _finish_sleep_or_wake(
        self, operation: Operation, started_at: datetime, interruption: Interruption
    ) -> OperationResult:
        """A failed start is reverted; an interrupted one stays half-way."""
        if interruption.interrupted.is_set() and not interruption.timed_out:
            return self._result(operation, started_at, Outcome.CANCELLED, operation_wording.INTERRUPTED)
        record, failure = self.records[operation.ref], self._next_failure(operation)
        if failure is not None or interruption.timed_out:
            if record.tag is not None:
                self.records[operation.ref] = replace(record, tag=replace(record.tag, half=False))
            error = failure.error if failure else operation_wording.deadline_exceeded(operation.deadline)
            return self._result(operation, started_at, Outcome.FAILED, error)
        if operation.tag is not None and record.tag is not None:
            tag = replace(operation.tag, incarnation=record.tag.incarnation)
            self.records[operation.ref] = replace(record, tag=tags.decode(tags.encode(tag)))
        return self._result(operation, started_at, Outcome.SUCCEEDED)

    async def _wait_until_released(self, ref: StackRef, interruption: Interruption) -> None:
        held = self._held.get(ref)
        if held is None:
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (held, interruption.interrupted)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _finish(self, operation: Operation, started_at: datetime, interruption: Interruption) -> OperationResult:
        if interruption.timed_out:
            self._write_history(operation, Outcome.FAILED)
            late = operation_wording.deadline_exceeded(operation.deadline)
            return self._result(operation, started_at, Outcome.FAILED, late)
        if interruption.interrupted.is_set():
            self._write_history(operation, Outcome.CANCELLED)
            return self._result(operation, started_at, Outcome.CANCELLED, operation_wording.INTERRUPTED)
        failure = self._next_failure(operation)
        self._record_steps(operation, ok=failure is None)
        if failure is not None:
            self._write_history(operation, Outcome.FAILED)
            result = self._result(operation, started_at, Outcome.FAILED, failure.error)
            return replace(result, retryable=failure.retryable)
        return await self._succeeded(operation, started_at, interruption.on_destroyed)

    def _next_failure(self, operation: Operation) -> FakeFailure | None:
        failure = self._failures.get(operation.ref)
        if failure is None or failure.verb not in (None, operation.verb):
            return None
        failure.times -= 1
        if failure.times <= 0:
            del self._failures[operation.ref]
        return failure

    async def _succeeded(
        self, operation: Operation, started_at: datetime, on_destroyed: OnDestroyed
    ) -> OperationResult:
        ref = operation.ref
        self._write_history(operation, Outcome.SUCCEEDED)
        if operation.verb is OperationVerb.UP:
            return self._build(operation, started_at)
        if operation.verb is OperationVerb.REFRESH:
            self.records[ref] = replace(self.records[ref], pending_operations=0)
            return self._result(operation, started_at, Outcome.SUCCEEDED)
        if ref in self.records:
            self.records[ref] = replace(self.records[ref], built=None, resource_count=0, pending_operations=0)
        if not await on_destroyed(operation):
            kept = "everything is gone; the record stays until the pull request has been told"
            return self._result(operation, started_at, Outcome.FAILED, kept)
        self.records.pop(ref, None)
        return self._result(operation, started_at, Outcome.SUCCEEDED)

    def _build(self, operation: Operation, started_at: datetime) -> OperationResult:
        spec, before = operation.spec, self.records[operation.ref]
        if spec is None:
            return self._result(operation, started_at, Outcome.FAILED, "ValueError: an up needs a spec")
        url = f"http://{spec.host}"
        urls = {item.name: f"http://{service_host(spec, item.name)}" for item in spec.services if item.public}
        images = (dict(spec.images), dict(spec.found))
        built = BuildInfo(operation.commit, spec.digest, VERSION, spec.target, url, urls, self.now(), *images)
        count = len(spec.services) + len(spec.databases)
        pending = 0 if operation.refresh else before.pending_operations
        parts = {f"Service:{spec.name}/{item.name}": f"service-{item.name}" for item in spec.services}
        parts |= {f"Database:{spec.name}/{item.name}": f"database-{item.name}" for item in spec.databases}
        fresh = replace(
            before,
            built=built,
            resource_count=count,
            pending_operations=pending,
            target=spec.target,
            resource_names=parts,
        )
        self.records[operation.ref] = fresh
        changes = {"update": count} if before.built else {"create": count}
        result = self._result(operation, started_at, Outcome.SUCCEEDED)
        return replace(result, url=url, changes=changes, pulumi_processes=1 if before.built else 2)

    def _record_steps(self, operation: Operation, ok: bool) -> None:
        """Each service of a build starts; the first one fails if the build does."""
        if operation.verb is not OperationVerb.UP or operation.spec is None:
            return
        at = self.now().timestamp()
        for service in operation.spec.services if ok else operation.spec.services[:1]:
            label = f"{StepName.START} {service.name}"
            events = (StepEvent(StepEventKind.STARTED, label, at), StepEvent(StepEventKind.ENDED, label, at, ok=ok))
            self.step_events.setdefault(operation.ref, []).extend((operation.commit, event) for event in events)

    def _write_history(self, operation: Operation, outcome: Outcome) -> None:
        """Adds the entry to the stack's history and releases the lock."""
        record = self.records.get(operation.ref)
        if record is not None:
            commit = operation.commit if operation.verb is OperationVerb.UP else ""
            entry = StackUpdate(operation.verb, commit, outcome, self.now().replace(microsecond=0))
            past = (*record.history, entry)[-MAX_READ:]
            self.records[operation.ref] = replace(record, locks=(), history=past)

    def _result(self, operation: Operation, started_at: datetime, outcome: Outcome, error: str = "") -> OperationResult:
        ref, verb, commit = operation.ref, operation.verb, operation.commit
        return OperationResult(ref, verb, outcome, commit, started_at, self.now(), error)


async def _break(error: str) -> OperationResult:
    raise RuntimeError(error)
