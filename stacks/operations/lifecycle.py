"""One operation on one stack through the Automation API, in the process that calls it (``stacks.worker``).

Steps of an ``up``: start what environments share; break locks of owners proven dead; write the whole tag, then create
the stack if it doesn't exist, so it never carries the tag of an earlier one; resolve pending operations; run ``pulumi
up``. Steps of a destroy: run ``pulumi destroy`` from state; let the target purge by name whatever no state knows;
report it (``on_destroyed``); only then remove the record. Each step may be the last before a ``kill -9``: the next run
starts again and finds everything where it was left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pulumi import automation
from pulumi.automation import Stack

from programs import registry
from programs.registry import Target
from programs.spec import EnvironmentSpec
from stacks import names
from stacks.backends import update_history
from stacks.backends.port import LockHeld
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRef, StackTag
from stacks.operations import errors, sleep, wording
from stacks.operations.progress import ProgressCollector
from stacks.operations.pulumi_command import OperationCommand
from stacks.operations.sleep import SleepOperation
from stacks.operations.stack_selection import open_stack
from stacks.operations.worker_settings import WorkerSettings

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class OperationContext:
    """What an operation is given besides itself. ``on_destroyed`` returns whether the record can be removed."""

    settings: WorkerSettings
    command: OperationCommand
    report_progress: Callable[[str], object]
    on_destroyed: Callable[[], bool]
    now: Now = lambda: datetime.now(UTC)


def run(operation: Operation, context: OperationContext) -> OperationResult:
    """Always returns a result and never raises: the parent plans with what went wrong."""
    started = context.now()
    progress = ProgressCollector(context.report_progress)
    work = context.settings.work / uuid.uuid4().hex
    work.mkdir(parents=True)
    try:
        _OperationRun(operation, context, progress, work).perform()
        failure: BaseException | None = None
    except Exception as error:  # noqa: BLE001 - every error becomes the result
        failure = error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    with contextlib.suppress(OSError):  # failing to prune the history fails nothing
        cancelled = _outcome(failure, context.command) is Outcome.CANCELLED
        context.settings.backend.finish_update(operation.ref, started if cancelled else None)
    result = OperationResult(
        ref=operation.ref,
        verb=operation.verb,
        outcome=_outcome(failure, context.command),
        commit=operation.commit,
        started=started,
        ended=context.now(),
        url=_built_url(progress),
        changes=progress.changes,
        pulumi_processes=context.command.processes_started,
    )
    if failure is not None and context.command.timed_out:
        late = wording.deadline_exceeded(operation.deadline)
        return replace(result, error=late, step=progress.failed_step or progress.current_step)
    return result if failure is None else _with_failure(result, failure, progress, context.command.lease_expired)


def _outcome(failure: BaseException | None, command: OperationCommand) -> Outcome:
    if failure is None:
        return Outcome.SUCCEEDED
    return Outcome.CANCELLED if command.interrupted and not command.timed_out else Outcome.FAILED


def _with_failure(
    result: OperationResult, failure: BaseException, progress: ProgressCollector, lease_expired: bool
) -> OperationResult:
    if result.outcome is Outcome.CANCELLED:
        message = wording.LEASE_EXPIRED if lease_expired else wording.INTERRUPTED
        return replace(result, error=message, step=progress.failed_step or progress.current_step)
    why = errors.explain(failure, progress)
    return replace(result, error=why.error, step=why.step, tail=why.tail, retryable=why.retryable)


def _built_url(progress: ProgressCollector) -> str:
    built = progress.outputs.get("built")
    return str(built.get("url", "")) if isinstance(built, dict) else ""


class _OperationRun:
    def __init__(
        self, operation: Operation, context: OperationContext, progress: ProgressCollector, work: Path
    ) -> None:
        self._operation = operation
        self._context = context
        self._progress = progress
        self._work = work
        self._backend = context.settings.backend

    def perform(self) -> None:
        match self._operation.verb:
            case OperationVerb.UP:
                self._up(self._target())
            case OperationVerb.DESTROY:
                self._destroy(self._target())
            case OperationVerb.REFRESH:
                self._refresh()
            case OperationVerb.RETAG:
                self._update_tag()
            case OperationVerb.SLEEP:
                self._sleep_operation().sleep()
            case OperationVerb.WAKE:
                self._wake()

    def _target(self) -> Target:
        self._context.command.check_may_continue()
        target = registry.get(self._operation.target)
        target.ensure(self._operation.settings)
        return target

    def _up(self, target: Target) -> None:
        spec = self._operation.spec
        if spec is None:
            raise ValueError("an up needs a spec")
        fresh = not self._backend.exists(self._operation.ref)
        truncated = self._take_over()
        fresh = truncated or fresh
        if (
            not fresh
            and not spec.asleep
            and sleep.wake_without_waiting(target, self._operation, self._backend.read_tag(self._operation.ref))
        ):
            self._context.report_progress(wording.WOKEN)
        tag = self._sleeping_tag(fresh) if spec.asleep else self._operation.tag
        if tag is not None:
            self._write_incarnation(replace(tag, half=True) if spec.asleep else tag, fresh)
        if fresh:
            self._backend.create(self._operation.ref)
        stack = self._stack(target.program(spec))
        cleared = isinstance(target, registry.PreparesUpdate) and target.prepare_update(spec)
        if truncated or (not fresh and self._may_be_unrecorded()):
            cleared = self._remove_unrecorded(target) or cleared
        cleared = self._reset_databases(target, spec) or cleared
        if (self._operation.refresh or cleared) and not fresh:
            self._resolve_pending()
        self._context.report_progress(wording.building(self._operation.commit))
        stack.up(
            message=update_history.message(OperationVerb.UP, self._operation.commit),
            parallel=self._context.settings.parallel,
            on_event=self._progress.on_event,
            color="never",
            suppress_progress=True,
        )
        if spec.asleep and tag is not None:
            sleep.stay_asleep(target, self._operation)
            self._write_incarnation(replace(tag, half=False))

    def _may_be_unrecorded(self) -> bool:
        """Whether resources may exist that the state doesn't contain: the last operation didn't succeed."""
        history = self._backend.history(self._operation.ref)
        return self._operation.refresh or not history or history[-1].outcome is not Outcome.SUCCEEDED

    def _remove_unrecorded(self, target: Target) -> bool:
        record = self._backend.read(self._operation.ref)
        if record is None or not isinstance(target, registry.RemovesUnrecorded):
            return False
        self._context.report_progress(wording.LOOKING_FOR_UNRECORDED)
        recorded = frozenset(kind_and_id.partition(":")[2] for kind_and_id in record.resource_names)
        return target.remove_unrecorded(self._operation.name, self._operation.settings, recorded)

    def _reset_databases(self, target: Target, spec: EnvironmentSpec) -> bool:
        """Drops what is to be created again. An update that is cut short from here on finds it missing."""
        if not self._operation.resets:
            return False
        if not isinstance(target, registry.ResetsDatabases):
            raise TypeError(f"the target {self._operation.target} can't reset databases")
        for database in self._operation.resets:
            self._context.command.check_may_continue()
            self._context.report_progress(wording.dropping_database(database))
            target.drop_database(spec, database)
        return True

    def _sleeping_tag(self, fresh: bool) -> StackTag | None:
        """The tag of an update that starts nothing. It is half asleep until the update has ended, so that the next
        cycle stops what an interrupted one left running."""
        return self._operation.tag or (None if fresh else self._backend.read_tag(self._operation.ref))

    def _destroy(self, target: Target) -> None:
        ref = self._operation.ref
        self._take_over()
        if self._operation.name and isinstance(target, registry.StopsServing):
            target.stop_serving(self._operation.name, self._operation.settings)
        stack = self._stack(None) if self._backend.exists(ref) else None
        if stack is not None:
            if self._operation.refresh and self._operation.name and isinstance(target, registry.RefreshesAccess):
                target.refresh_access(self._operation.name, self._operation.settings)
            if self._operation.name and self._may_be_unrecorded():
                self._remove_unrecorded(target)  # it may be in the way of what the state contains
            self._destroy_resources(stack)
        if self._operation.name:  # empty: only the state knows the stack
            self._context.report_progress(wording.LOOKING_FOR_LEFTOVERS)
            self._context.command.check_may_continue()
            target.purge(self._operation.name, self._operation.settings)
        if not self._context.on_destroyed():
            raise errors.RecordRetained(wording.RECORD_RETAINED)
        if stack is not None:
            stack.workspace.remove_stack(ref.stack)
        self._context.command.check_may_continue()
        self._backend.forget(ref)

    def _destroy_resources(self, stack: Stack) -> None:
        if self._operation.refresh:
            self._resolve_pending()
        stack.destroy(
            message=update_history.message(OperationVerb.DESTROY, ""),
            parallel=self._context.settings.parallel,
            on_event=self._progress.on_event,
            color="never",
            suppress_progress=True,
        )

    def _refresh(self) -> None:
        self._take_over()
        self._resolve_pending()

    def _take_over(self) -> bool:
        """Breaks locks of owners proven dead; any other lock stops the operation before it changes anything. Removes
        what would stop Pulumi. Returns True if the state was truncated during its first write and is now empty."""
        self._context.command.check_may_continue()
        ref = self._operation.ref
        for lock in self._backend.break_dead_locks(ref):
            self._context.report_progress(wording.lock_taken_over(lock.pid, lock.acquired_at))
        for lock in self._backend.locks(ref)[:1]:
            raise LockHeld(ref, lock)
        truncated = self._backend.repair(ref)
        if truncated:
            self._context.report_progress(wording.STATE_TRUNCATED)
        return truncated

    def _resolve_pending(self) -> None:
        """Drops pending creates from the state: programs find what an interrupted create left by name."""
        self._stack(None).refresh(
            message=update_history.message(OperationVerb.REFRESH, ""),
            clear_pending_creates=True,
            on_event=self._progress.on_event,
            color="never",
            suppress_progress=True,
        )

    def _stack(self, program: automation.PulumiFn | None) -> Stack:
        context = self._context
        return open_stack(self._operation.ref, program, context.settings, context.command, self._work)

    def _update_tag(self) -> None:
        self._context.command.check_may_continue()
        self._require_stack()
        self._write_tag(fresh=False)

    def _require_stack(self) -> None:
        if not self._backend.exists(self._operation.ref):
            raise LookupError(wording.NO_STACK_TO_TAG)

    def _sleep_operation(self) -> SleepOperation:
        self._require_stack()
        return SleepOperation(
            self._operation, self._target(), self._write_incarnation, self._context.command.check_may_continue
        )

    def _wake(self) -> None:
        before = self._backend.read_tag(self._operation.ref)
        slept = before.asleep if before is not None else None
        self._sleep_operation().wake(slept or self._context.now())

    def _write_tag(self, fresh: bool) -> None:
        if self._operation.tag is not None:
            self._write_incarnation(self._operation.tag, fresh)

    def _write_incarnation(self, tag: StackTag, fresh: bool = False) -> None:
        """A new stack gets a new incarnation; otherwise it keeps the tag's."""
        ref = self._operation.ref
        before = None if fresh else self._backend.read_tag(ref)
        kept = "" if fresh else tag.incarnation or (before.incarnation if before else "")
        variables = "" if fresh else self._operation.variables
        self._backend.write_tag(ref, replace(tag, incarnation=kept or _new_incarnation(ref)), variables)


def _new_incarnation(ref: StackRef) -> str:
    return names.incarnation(os.urandom(16), ref, uuid.uuid4().hex)
