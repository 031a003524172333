"""Executes a plan: one lane per stack, one process per operation, and every result recorded.

It decides nothing. It starts the plan's actions in order; the next cycle reads from the backend what they changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from orchestrator.config.secret_store import SecretStore
from orchestrator.core.model.world import CompletedRepair, RunningOperation
from orchestrator.core.planning import plan_actions
from orchestrator.core.planning.plan_actions import Action
from orchestrator.core.planning.plans import Plan, describe
from orchestrator.forges.port import Repository
from orchestrator.runtime import wording
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.facts.attempts import AttemptHistory
from orchestrator.runtime.facts.destroys import DestroyApprovals, GuardedDestroys
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.runtime.facts.pending_deploys import PendingDeploys
from orchestrator.runtime.facts.repairs import CompletedRepairs
from orchestrator.runtime.facts.suite_history import SuiteHistory
from orchestrator.runtime.operations.forge_tasks import ForgeTasks
from orchestrator.runtime.operations.journal import Journal
from programs import registry
from programs.registry import Target
from stacks.executors.port import Executor, Lane
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, StackRef

log = logging.getLogger("eph.executor")

OperationAction = (
    plan_actions.Create
    | plan_actions.Update
    | plan_actions.Retag
    | plan_actions.Sleep
    | plan_actions.Wake
    | plan_actions.Destroy
)


@dataclass(slots=True)
class _ActiveOperation:
    """A busy lane: its operation, and whether it is interrupted because of a newer commit."""

    lane: Lane
    running: RunningOperation
    name: str
    superseded: bool = False
    repair_note: str = ""


@dataclass(slots=True)
class PlanExecutorDependencies:
    """``wake`` starts a cycle."""

    operations: Executor
    forge_tasks: ForgeTasks
    settings: Mapping[str, Mapping[str, str]]
    deadline: float
    clock: Clock
    journal: Journal
    wake: Callable[[], None]
    on_destroyed: Callable[[Operation, str], Awaitable[bool]]
    """Called with the reason once everything is destroyed, before the record is removed. False keeps the record."""
    attempts: AttemptHistory
    intents: PendingIntents
    deploys: PendingDeploys
    refresh: Callable[[], None]
    """Reads the desired state again and starts a cycle."""
    guarded_destroys: GuardedDestroys
    approvals: DestroyApprovals
    repairs: CompletedRepairs
    suites: SuiteHistory
    target: Callable[[str], Target] = registry.get
    secrets: SecretStore = field(default_factory=SecretStore)
    is_leader: Callable[[], bool] = lambda: True
    """Checked before each change: another replica may be the leader by now."""
    is_paused: Callable[[], bool] = lambda: False
    """Checked before each plan, which may be older than the pause."""


MAX_CONCURRENT_PURGES = 2
"""They use threads, and a target may be slow: requests to the Git host must not wait for them."""


class PlanExecutor:
    def __init__(self, dependencies: PlanExecutorDependencies) -> None:
        self._dependencies = dependencies
        self._active: dict[StackRef, _ActiveOperation] = {}
        self._purging: set[tuple[str, str]] = set()
        self.background_tasks = BackgroundTasks(dependencies.clock, dependencies.journal.record_problem)

    @property
    def running(self) -> Mapping[StackRef, RunningOperation]:
        return {ref: busy.running for ref, busy in self._active.items()}

    @property
    def purging(self) -> frozenset[str]:
        """Names with a purge in progress on a target."""
        return frozenset(name for _, name in self._purging)

    @contextlib.contextmanager
    def reserve(self, target: str, name: str) -> Iterator[bool]:
        """Prevent operations and purges on that environment for a while. Yields False if one is running."""
        what = (target, name)
        free = what not in self._purging and name not in {busy.name for busy in self._active.values()}
        if free:
            self._purging.add(what)
        try:
            yield free
        finally:
            if free:
                self._purging.discard(what)
                self._dependencies.wake()

    def execute(self, plan: Plan, repositories: Mapping[int, Repository]) -> None:
        """Start each action independently: one that fails to start doesn't stop the others."""
        if self._dependencies.is_paused():
            return
        self._dependencies.approvals.use_plan(plan.digest, plan.guarded, self._dependencies.clock())
        for action in plan.changes:
            if not self._dependencies.is_leader():
                return
            try:
                self._start(action, repositories)
            except Exception as error:
                log.exception("%s could not be started", type(action).__name__)
                self._dependencies.journal.record_problem(wording.problems.not_started(describe(action), error))

    async def close(self) -> None:
        """Stop waiting for operations. Their owner stops the operations themselves."""
        await self.background_tasks.close()

    def _start(self, action: Action, repositories: Mapping[int, Repository]) -> None:
        forge_tasks = self._dependencies.forge_tasks
        match action:
            case plan_actions.Create() | plan_actions.Update() | plan_actions.Retag() | plan_actions.Destroy():
                self._start_operation(action)
            case plan_actions.Sleep(ref=ref) if self._dependencies.suites.is_running(ref):
                return  # the plan stops its tests first, whose requests would wake it again; their end wakes the loop
            case plan_actions.Sleep() | plan_actions.Wake():
                self._start_operation(action)
            case plan_actions.Interrupt():
                self._interrupt(action)
            case plan_actions.Purge():
                self._purge(action)
            case plan_actions.Confirm():
                self.background_tasks.start_once(action.key, lambda: forge_tasks.confirm(action, repositories))
            case plan_actions.Find():
                self.background_tasks.start_once(
                    (action.ref, "images"), lambda: forge_tasks.find_images(action, repositories)
                )
            case plan_actions.Expire() | plan_actions.Unlabel() | plan_actions.Revive():
                self.background_tasks.start_once(
                    (action.ref, action.commit), lambda: forge_tasks.update_commit_mark(action, repositories)
                )
            case _:
                raise AssertionError(f"{type(action).__name__} is not an operation")

    # --- operations

    def _start_operation(self, action: OperationAction) -> None:
        operation = replace(self._build_operation(action), hidden=self._dependencies.secrets.values())
        if action.ref in self._active or (operation.target, operation.name) in self._purging:
            return  # It was started since the world was looked at; its end wakes the loop.
        running = RunningOperation(
            action.ref,
            operation.verb,
            operation.commit,
            self._dependencies.clock(),
            self._dependencies.attempts.superseded.get(action.ref, 0),
            name=operation.name,
        )
        lane = self._dependencies.operations.start(
            operation,
            lambda text: self._record_progress(action.ref, text),
            lambda destroyed: self._dependencies.on_destroyed(destroyed, action.reason),
        )
        mends = action.repair_note if isinstance(action, plan_actions.Update) else ""
        self._active[action.ref] = _ActiveOperation(lane, running, operation.name, repair_note=mends)
        if isinstance(action, plan_actions.Destroy) and action.guarded:
            self._count_guarded_destroy(action.ref)
        self._dependencies.journal.started(action, operation)
        self.background_tasks.start(self._await_operation(operation, lane))

    def _count_guarded_destroy(self, ref: StackRef) -> None:
        """Count a guarded destroy when it starts; otherwise the guard would miss running ones. A retry is already
        counted."""
        failure = self._dependencies.attempts.failures.get(ref)
        if failure is None or failure.verb is not OperationVerb.DESTROY:
            self._dependencies.guarded_destroys.record(self._dependencies.clock())

    def _build_operation(self, action: OperationAction) -> Operation:
        ref, deadline = action.ref, self._dependencies.deadline
        match action:
            case plan_actions.Create(spec=spec) | plan_actions.Update(spec=spec):
                return Operation(
                    ref=ref,
                    verb=OperationVerb.UP,
                    target=spec.target,
                    name=spec.name,
                    tag=action.tag,
                    spec=self._dependencies.secrets.with_values(spec),
                    commit=spec.source.commit,
                    refresh=isinstance(action, plan_actions.Update) and action.refresh,
                    resets=action.resets if isinstance(action, plan_actions.Update) else (),
                    deadline=deadline,
                    settings=spec.settings,
                )
            case plan_actions.Retag(tag=tag, variables=variables):
                return Operation(
                    ref,
                    OperationVerb.RETAG,
                    target="",
                    name=tag.name,
                    tag=tag,
                    deadline=deadline,
                    variables=variables,
                )
            case plan_actions.Sleep(name=name, target=target) | plan_actions.Wake(name=name, target=target):
                verb, commit = (
                    (OperationVerb.SLEEP, "")
                    if isinstance(action, plan_actions.Sleep)
                    else (OperationVerb.WAKE, action.commit)
                )
                told = self._dependencies.settings.get(target, {})
                return Operation(ref, verb, target, name, action.tag, commit=commit, deadline=deadline, settings=told)
            case plan_actions.Destroy(name=name, target=target):
                settings = self._dependencies.settings.get(target, {})
                return Operation(ref, OperationVerb.DESTROY, target, name, deadline=deadline, settings=settings)
            case _:
                assert_never(action)

    async def _await_operation(self, operation: Operation, lane: Lane) -> None:
        """Always free the lane afterwards and wake the loop."""
        ref = operation.ref
        try:
            result = await self._await_result(operation, lane)
            busy = self._active[ref]
            self._dependencies.attempts.record_result(result, busy.superseded)
            self._dependencies.intents.record_result(result, busy.running.started, resets=bool(operation.resets))
            if self._dependencies.deploys.record_result(result):
                self._dependencies.refresh()
            if operation.verb is OperationVerb.DESTROY and result.outcome is Outcome.SUCCEEDED:
                self._dependencies.approvals.complete(str(ref))
            self._dependencies.journal.ended(operation, result)
            if busy.repair_note and result.outcome is Outcome.SUCCEEDED:
                self._record_repair(operation, busy.repair_note)
        finally:
            self._active.pop(ref, None)
            self._dependencies.wake()

    def _record_repair(self, operation: Operation, sentence: str) -> None:
        mended = CompletedRepair(self._dependencies.clock(), operation.commit, sentence)
        self._dependencies.repairs.record(operation.ref, mended)
        self._dependencies.journal.repaired(operation.ref, mended)

    async def _await_result(self, operation: Operation, lane: Lane) -> OperationResult:
        try:
            return await lane.wait()
        except Exception as error:
            log.exception("the operation on %s exited without a result", operation.ref)
            began, now = self._active[operation.ref].running.started, self._dependencies.clock()
            why = wording.problems.no_result(error)
            return OperationResult(operation.ref, operation.verb, Outcome.FAILED, operation.commit, began, now, why)

    def _record_progress(self, ref: StackRef, text: str) -> None:
        busy = self._active.get(ref)
        if busy is not None:
            busy.running = replace(busy.running, progress=text[:200])

    def _interrupt(self, action: plan_actions.Interrupt) -> None:
        busy = self._active.get(action.ref)
        if busy is None or busy.running.interrupting:
            return
        busy.running = replace(busy.running, interrupting=True)
        busy.superseded = not action.unwanted
        busy.lane.interrupt()
        self._dependencies.journal.interrupted(action)

    # --- what is no operation

    def _purge(self, action: plan_actions.Purge) -> None:
        what = (action.target, action.name)
        names = {busy.name for busy in self._active.values()}
        if action.name in names or what in self._purging or len(self._purging) >= MAX_CONCURRENT_PURGES:
            return
        if self.background_tasks.start_once(what, lambda: self._run_purge(action, what)):
            self._purging.add(what)  # from this very moment: nothing of that name is made meanwhile

    async def _run_purge(self, action: plan_actions.Purge, key: tuple[str, str]) -> bool:
        settings = self._dependencies.settings.get(action.target, {})
        try:
            await asyncio.to_thread(self._dependencies.target(action.target).purge, action.name, settings)
        except Exception as error:  # noqa: BLE001 - a target's trouble is told, and tried again
            self._dependencies.journal.record_problem(wording.problems.not_purged(action.target, action.name, error))
            return False
        finally:
            self._purging.discard(key)
            self._dependencies.wake()
        self._dependencies.guarded_destroys.record(self._dependencies.clock())
        self._dependencies.approvals.complete(f"{action.target}:{action.name}")
        self._dependencies.journal.purged(action)
        return True
