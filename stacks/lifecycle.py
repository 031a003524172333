"""One operation on one stack through the Automation API, in the process that calls it (``stacks.worker``).

The order of an ``up``: what environments share is brought up; locks of proven dead owners are broken; the tag is
written whole, and then the stack made when it isn't there, so that it never wears the tag of an earlier one; pending
operations are resolved; then ``pulumi up`` itself. The order of a
destroy: ``pulumi destroy`` from state, the target purges by name whatever no state knows of, the world is told
(``emptied``), and only then the record goes. Each step may be the last before a ``kill -9``: the next run starts again
and finds everything where it was left.
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
from pulumi.automation import LocalWorkspace, Stack

from programs import registry
from programs.registry import Target
from stacks import errors, history, locks, names, resting
from stacks.backends import FileBackend
from stacks.command import OperationCommand
from stacks.model import Operation, OperationResult, Outcome, StackRef, Tag, Verb
from stacks.places import Places
from stacks.progress import Progress
from stacks.resting import Resting

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an operation is given besides itself. ``emptied`` returns once the record may go; False: it must stay."""

    places: Places
    command: OperationCommand
    say: Callable[[str], object]
    emptied: Callable[[], bool]
    now: Now = lambda: datetime.now(UTC)


def run(operation: Operation, around: Surroundings) -> OperationResult:
    """Always a result, never an exception: the parent plans with what went wrong."""
    started = around.now()
    progress = Progress(around.say)
    work = around.places.work / uuid.uuid4().hex
    work.mkdir(parents=True)
    past = FileBackend(around.places.backend).history(operation.ref)
    try:
        _Run(operation, around, progress, work).perform()
        failure: BaseException | None = None
    except Exception as error:  # noqa: BLE001 - whatever it was becomes the result
        failure = error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    with contextlib.suppress(OSError):  # a history that cannot be tidied fails nothing
        if _outcome(failure, around.command) is Outcome.CANCELLED:
            history.mark_cancelled(past, started)
        history.prune(past)
    result = OperationResult(
        ref=operation.ref,
        verb=operation.verb,
        outcome=_outcome(failure, around.command),
        commit=operation.commit,
        started=started,
        ended=around.now(),
        url=_url(progress),
        changes=progress.changes,
        pulumi_processes=around.command.started,
    )
    if failure is not None and around.command.late:
        late = f"it took longer than {operation.deadline:.0f} s and was ended"
        return replace(result, error=late, step=progress.step or progress.doing)
    return result if failure is None else _with_reason(result, failure, progress, around.command.lapsed)


def _outcome(failure: BaseException | None, command: OperationCommand) -> Outcome:
    if failure is None:
        return Outcome.SUCCEEDED
    return Outcome.CANCELLED if command.interrupted and not command.late else Outcome.FAILED


def _with_reason(result: OperationResult, failure: BaseException, progress: Progress, lapsed: bool) -> OperationResult:
    if result.outcome is Outcome.CANCELLED:
        told = "the replica that ordered it leads no more; whoever leads begins it anew" if lapsed else "interrupted"
        return replace(result, error=told, step=progress.step or progress.doing)
    why = errors.explain(failure, progress)
    return replace(result, error=why.error, step=why.step, tail=why.tail, retryable=why.retryable)


def _url(progress: Progress) -> str:
    built = progress.outputs.get("built")
    return str(built.get("url", "")) if isinstance(built, dict) else ""


class _Run:
    def __init__(self, operation: Operation, around: Surroundings, progress: Progress, work: Path) -> None:
        self._operation = operation
        self._around = around
        self._progress = progress
        self._work = work
        self._backend = FileBackend(around.places.backend)

    def perform(self) -> None:
        match self._operation.verb:
            case Verb.UP:
                self._up(self._target())
            case Verb.DESTROY:
                self._destroy(self._target())
            case Verb.REFRESH:
                self._heal()
            case Verb.RETAG:
                self._retag()
            case Verb.SLEEP:
                self._resting().sleep()
            case Verb.WAKE:
                self._wake()

    def _target(self) -> Target:
        self._around.command.go_on()
        target = registry.get(self._operation.target)
        target.ensure(self._operation.settings)
        return target

    def _up(self, target: Target) -> None:
        spec = self._operation.spec
        if spec is None:
            raise ValueError("an up needs a spec")
        fresh = not self._backend.exists(self._operation.ref)
        fresh = self._take_over() or fresh
        if not fresh and resting.rouse(target, self._operation, self._backend.read_tag(self._operation.ref)):
            self._around.say("it slept, and was started again")
        self._write_tag(fresh)
        if fresh:
            self._backend.begin(self._operation.ref)
        stack = self._stack(target.program(spec))
        cleared = isinstance(target, registry.Clears) and target.clear(spec)
        if (self._operation.refresh or cleared) and not fresh:
            self._resolve_pending()
        self._around.say(f"building commit {self._operation.commit[:7]}")
        stack.up(
            message=history.message(Verb.UP, self._operation.commit),
            parallel=self._around.places.parallel,
            on_event=self._progress.on_event,
            color="never",
            suppress_progress=True,
        )

    def _destroy(self, target: Target) -> None:
        ref = self._operation.ref
        self._take_over()
        stack = self._stack(None) if self._backend.exists(ref) else None
        if stack is not None:
            if self._operation.refresh and self._operation.name and isinstance(target, registry.Enters):
                target.enter(self._operation.name, self._operation.settings)
            self._empty(stack)
        if self._operation.name:  # else nothing but the state knows the stack: what is left is found on the target
            self._around.say("looking for leftovers by name")
            self._around.command.go_on()
            target.purge(self._operation.name, self._operation.settings)
        if not self._around.emptied():
            raise errors.RecordKept("everything is gone; the record stays until the pull request has been told")
        if stack is not None:
            stack.workspace.remove_stack(ref.stack)
        self._around.command.go_on()
        self._backend.forget(ref)

    def _empty(self, stack: Stack) -> None:
        if self._operation.refresh:
            self._resolve_pending()
        stack.destroy(
            message=history.message(Verb.DESTROY, ""),
            parallel=self._around.places.parallel,
            on_event=self._progress.on_event,
            color="never",
            suppress_progress=True,
        )

    def _heal(self) -> None:
        self._take_over()
        self._resolve_pending()

    def _take_over(self) -> bool:
        """Locks of proven dead owners are broken; any other stops the operation before it changes something. A tag
        file that was cut would stop Pulumi. True: the state was cut while it was first made, and is begun anew."""
        self._around.command.go_on()
        for lock in locks.break_dead(self._around.places.backend, self._operation.ref):
            self._around.say(f"took over a lock whose owner is dead (pid {lock.pid}, taken {lock.taken:%H:%M:%S})")
        locks.refuse_held(self._around.places.backend, self._operation.ref)
        self._backend.drop_halves(self._operation.ref)
        self._backend.drop_cut_tag(self._operation.ref)
        cut = self._backend.is_cut_at_birth(self._operation.ref)
        if cut:
            self._around.say("its state was cut while it was first made; it is begun anew")
            self._backend.begin(self._operation.ref)
        return cut

    def _resolve_pending(self) -> None:
        """Pending creates are dropped from the state: programs find by name what an interrupted create left."""
        self._stack(None).refresh(
            message=history.message(Verb.REFRESH, ""),
            clear_pending_creates=True,
            on_event=self._progress.on_event,
            color="never",
            suppress_progress=True,
        )

    def _stack(self, program: automation.PulumiFn | None) -> Stack:
        ref = self._operation.ref
        salt = self._backend.salt(ref)
        if salt:
            (self._work / f"Pulumi.{ref.stack}.yaml").write_text(f"encryptionsalt: {salt}\n")
        workspace = LocalWorkspace(
            work_dir=str(self._work),
            program=program,
            pulumi_home=str(self._around.places.pulumi_home),
            project_settings=automation.ProjectSettings(name=ref.project, runtime="python"),
            pulumi_command=self._around.command,
        )
        return Stack.select(ref.stack, workspace)

    def _retag(self) -> None:
        self._around.command.go_on()
        self._must_exist()
        self._write_tag(fresh=False)

    def _must_exist(self) -> None:
        if not self._backend.exists(self._operation.ref):
            raise LookupError("the stack is not in the backend any more; there is nothing to tag")

    def _resting(self) -> Resting:
        self._must_exist()
        return Resting(self._operation, self._target(), self._write, self._around.command.go_on)

    def _wake(self) -> None:
        before = self._backend.read_tag(self._operation.ref)
        slept = before.asleep if before is not None else None
        self._resting().wake(slept or self._around.now())

    def _write_tag(self, fresh: bool) -> None:
        if self._operation.tag is not None:
            self._write(self._operation.tag, fresh)

    def _write(self, tag: Tag, fresh: bool = False) -> None:
        """A fresh stack is a new incarnation; else it is the one that the tag names, or the one there is."""
        ref = self._operation.ref
        before = None if fresh else self._backend.read_tag(ref)
        kept = "" if fresh else tag.incarnation or (before.incarnation if before else "")
        self._backend.write_tag(ref, replace(tag, incarnation=kept or _incarnation(ref)))


def _incarnation(ref: StackRef) -> str:
    return names.incarnation(os.urandom(16), ref, uuid.uuid4().hex)
