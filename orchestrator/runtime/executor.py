"""Carries a plan out: one lane for each stack, every operation a process, every end written down and told to the loop.

Decides nothing. What the plan says is started in its order; what an operation's end means is read from the store at
the next look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from orchestrator.config.secret_store import SecretStore
from orchestrator.core.model.image_lookup import ImageResult
from orchestrator.core.model.world import CompletedRepair, PullRequest, PullState, RunningOperation
from orchestrator.core.planning import plan_actions
from orchestrator.core.planning.plan_actions import Action, Find
from orchestrator.core.planning.plans import Plan, describe
from orchestrator.forges.port import (
    EXPIRED,
    LABEL_NOT_OURS,
    LABEL_REMOVED,
    Forge,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    ForgeUnavailable,
    Repository,
    expired_mark,
)
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop_state import LoopState
from programs import registry
from programs.registry import Target
from stacks import keys
from stacks.executors.port import Executor, Lane
from stacks.model import Operation, OperationResult, OperationVerb, Outcome, RefKind, StackRef

log = logging.getLogger("eph.executor")

CommitMarkAction = plan_actions.Expire | plan_actions.Unlabel | plan_actions.Revive
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
    """A lane in use: what runs in it, and whether a newer commit is why it is being ended."""

    lane: Lane
    running: RunningOperation
    name: str
    superseded: bool = False
    repair_note: str = ""


@dataclass(slots=True)
class PlanExecutorDependencies:
    """What the executor works with. ``wake`` tells the loop that something ended."""

    operations: Executor
    forge: Forge
    settings: Mapping[str, Mapping[str, str]]
    deadline: float
    clock: Clock
    journal: Journal
    wake: Callable[[], None]
    refresh_forge: Callable[[], None]
    on_destroyed: Callable[[Operation, str], Awaitable[bool]]
    """Awaited with the reason when everything is gone, before the record is removed; False keeps the record."""
    target: Callable[[str], Target] = registry.get
    find_images: Callable[[Find, Repository], Sequence[ImageResult]] = lambda *_: ()
    """Looks for images; blocks."""
    secrets: SecretStore = field(default_factory=SecretStore)
    is_leader: Callable[[], bool] = lambda: True
    """Asked before each thing that changes something: another replica may lead by now."""


MAX_CONCURRENT_PURGES = 2
"""They take threads, and a target may be slow: what is asked of the Git host must not wait behind them."""


MAX_CONCURRENT_FINDS = 8


class PlanExecutor:
    def __init__(self, dependencies: PlanExecutorDependencies, state: LoopState) -> None:
        self._dependencies = dependencies
        self._state = state
        self._active: dict[StackRef, _ActiveOperation] = {}
        self._purging: set[tuple[str, str]] = set()
        self._find_slots = asyncio.Semaphore(MAX_CONCURRENT_FINDS)
        self.background_tasks = BackgroundTasks(dependencies.clock, dependencies.journal.record_problem)

    @property
    def running(self) -> Mapping[StackRef, RunningOperation]:
        return {ref: busy.running for ref, busy in self._active.items()}

    @property
    def purging(self) -> frozenset[str]:
        """Names of which something is being removed on a target just now."""
        return frozenset(name for _, name in self._purging)

    @contextlib.contextmanager
    def reserve(self, target: str, name: str) -> Iterator[bool]:
        """While it lasts, no operation and no purge begins on that environment; False: one is under way."""
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
        """Each on its own: one that cannot be started never stops the others."""
        self._remember_approval(plan)
        for action in plan.changes:
            if not self._dependencies.is_leader():
                return
            try:
                self._start(action, repositories)
            except Exception as error:
                log.exception("%s could not be started", type(action).__name__)
                self._dependencies.journal.record_problem(
                    f"{describe(action)}: could not be started: {type(error).__name__}: {error}"
                )

    async def close(self) -> None:
        """The operations themselves are ended by who owns them; here the waiting for them is."""
        await self.background_tasks.close()

    def _remember_approval(self, plan: Plan) -> None:
        if plan.digest in self._state.approved_plans:
            del self._state.approved_plans[plan.digest]
            self._state.approved_destroys.update(dict.fromkeys(plan.guarded, self._dependencies.clock()))

    def _start(self, action: Action, repositories: Mapping[int, Repository]) -> None:
        match action:
            case plan_actions.Create() | plan_actions.Update() | plan_actions.Retag() | plan_actions.Destroy():
                self._start_operation(action)
            case plan_actions.Sleep() | plan_actions.Wake():
                self._start_operation(action)
            case plan_actions.Interrupt():
                self._interrupt(action)
            case plan_actions.Purge():
                self._purge(action)
            case plan_actions.Confirm():
                self.background_tasks.start_once(action.key, lambda: self._confirm(action, repositories))
            case plan_actions.Find():
                self.background_tasks.start_once((action.ref, "images"), lambda: self._find(action, repositories))
            case plan_actions.Expire() | plan_actions.Unlabel() | plan_actions.Revive():
                self.background_tasks.start_once(
                    (action.ref, action.commit), lambda: self._update_commit_mark(action, repositories)
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
            self._state.superseded.get(action.ref, 0),
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
        """Counted when it begins, or those under way would escape the guard; a retry was counted before."""
        failure = self._state.failures.get(ref)
        if failure is None or failure.verb is not OperationVerb.DESTROY:
            self._state.guarded_destroys.append(self._dependencies.clock())

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
                    deadline=deadline,
                    settings=spec.settings,
                )
            case plan_actions.Retag(tag=tag):
                return Operation(ref, OperationVerb.RETAG, target="", name=tag.name, tag=tag, deadline=deadline)
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
        """Whatever happens, the lane is free again afterwards and the loop is told."""
        ref = operation.ref
        try:
            result = await self._await_result(operation, lane)
            busy = self._active[ref]
            self._state.record_result(result, busy.running.started, busy.superseded)
            if operation.verb is OperationVerb.DESTROY and result.outcome is Outcome.SUCCEEDED:
                self._state.approved_destroys.pop(str(ref), None)
            self._dependencies.journal.ended(operation, result)
            if busy.repair_note and result.outcome is Outcome.SUCCEEDED:
                self._record_repair(operation, busy.repair_note)
        finally:
            self._active.pop(ref, None)
            self._dependencies.wake()

    def _record_repair(self, operation: Operation, sentence: str) -> None:
        mended = CompletedRepair(self._dependencies.clock(), operation.commit, sentence)
        self._state.completed_repairs[operation.ref] = mended
        self._dependencies.journal.repaired(operation.ref, mended)

    async def _await_result(self, operation: Operation, lane: Lane) -> OperationResult:
        try:
            return await lane.wait()
        except Exception as error:
            log.exception("the operation on %s exited without a result", operation.ref)
            began, now = self._active[operation.ref].running.started, self._dependencies.clock()
            why = f"it exited without a result ({type(error).__name__}: {error})"
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
            self._dependencies.journal.record_problem(f"{action.target}:{action.name} could not be purged: {error}")
            return False
        finally:
            self._purging.discard(key)
            self._dependencies.wake()
        self._state.guarded_destroys.append(self._dependencies.clock())
        self._state.approved_destroys.pop(f"{action.target}:{action.name}", None)
        self._dependencies.journal.purged(action)
        return True

    async def _confirm(self, action: plan_actions.Confirm, repositories: Mapping[int, Repository]) -> bool:
        """A look-up that fails confirms nothing: the stack stays, and is asked about again."""
        repository = repositories.get(action.key.repository)
        if repository is None:
            return False
        try:
            pull = await asyncio.to_thread(self._look_up, action, repository)
        except ForgeError as error:
            where = self._dependencies.forge.words.reference(repository.full_name, action.key, action.ref_name)
            self._dependencies.journal.record_problem(f"{where} could not be read: {error}")
            return False
        self._state.confirm(pull, self._dependencies.clock())
        self._dependencies.wake()
        return True

    async def _find(self, action: Find, repositories: Mapping[int, Repository]) -> bool:
        repository = repositories.get(action.key.repository)
        if repository is None:
            return False
        async with self._find_slots:
            answers = await asyncio.to_thread(self._dependencies.find_images, action, repository)
        self._state.record_images(action, answers, self._dependencies.clock())
        self._dependencies.wake()
        return True

    def _look_up(self, action: plan_actions.Confirm, repository: Repository) -> PullRequest:
        """Blocking. Of a branch or a tag all are listed that begin as its name does: a stack's tag may have no more."""
        key = action.key
        if key.kind is RefKind.PULL:
            return self._dependencies.forge.pull(repository, key.number)
        refs = self._dependencies.forge.refs(repository, key.kind, (f"{action.ref_name}**",))
        found = next((name for name in refs.commits if keys.ref(repository.id, key.kind, name) == key), "")
        if not found and not refs.complete:
            raise ForgeUnavailable(
                f"the {key.kind}es of {repository.full_name} could not be read completely: {refs.reason}"
            )
        state = PullState.OPEN if found else PullState.GONE
        return PullRequest(key, state, "", frozenset(), "", refs.commits.get(found, ""), found, "", "")

    async def _update_commit_mark(self, action: CommitMarkAction, repositories: Mapping[int, Repository]) -> bool:
        """What a mark says is believed once it is read back, so the host is asked again."""
        repository = repositories.get(action.key.repository)
        if repository is None or not self._dependencies.is_leader():
            return False
        try:
            await asyncio.to_thread(self._write_commit_mark, action, repository)
        except ForgeError as error:
            self._dependencies.journal.record_problem(f"{action.ref} could not be marked as expired: {error}")
            return False
        if isinstance(action, plan_actions.Expire):
            self._dependencies.journal.expired(action)
        elif isinstance(action, plan_actions.Revive):
            self._state.first_seen.pop(action.key, None)  # its time counts anew
        self._dependencies.refresh_forge()
        return True

    def _write_commit_mark(self, action: CommitMarkAction, repository: Repository) -> None:
        """Blocking."""
        forge, mark = self._dependencies.forge, expired_mark(action.ref.stack)
        match action:
            case plan_actions.Expire():
                forge.mark(repository, action.commit, mark, action.reason)
            case plan_actions.Unlabel():
                how = LABEL_REMOVED if self._remove_labels(action, repository) else LABEL_NOT_OURS
                forge.mark(repository, action.commit, mark, how + action.reason)
            case plan_actions.Revive():
                for name in (mark, EXPIRED):
                    forge.mark(repository, action.commit, name, "")
            case _:
                assert_never(action)

    def _remove_labels(self, action: plan_actions.Unlabel, repository: Repository) -> bool:
        """Whether none is left that we may not take off."""
        allowed = True
        for label in action.labels:
            try:
                self._dependencies.forge.remove_label(repository, action.key.number, label)
            except ForgeNotFound:
                continue  # somebody was quicker
            except ForgeRefused as error:
                self._dependencies.journal.record_problem(
                    f"{action.ref}: the label {label} could not be removed: {error}"
                )
                allowed = False
        return allowed
