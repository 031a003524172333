"""Carries a plan out: one lane for each stack, every operation a process, every end written down and told to the loop.

Decides nothing. What the plan says is started in its order; what an operation's end means is read from the store at
the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from orchestrator.core import actions
from orchestrator.core.actions import Action
from orchestrator.core.model import Running
from orchestrator.core.plans import Plan
from orchestrator.forge.port import Forge, ForgeError, Repository
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.memory import Memory
from programs import registry
from stacks.model import Operation, OperationResult, Outcome, StackRef, Verb
from stacks.port import Lane, Operations

Operated = actions.Create | actions.Update | actions.Retag | actions.Destroy


@dataclass(slots=True)
class _Busy:
    """A lane in use: what runs in it, and whether a newer commit is why it is being ended."""

    lane: Lane
    running: Running
    why: str
    guarded: bool = False
    for_newer: bool = False


@dataclass(slots=True)
class Means:
    """What the executor works with. ``woken`` tells the loop that something ended."""

    operations: Operations
    forge: Forge
    settings: Mapping[str, Mapping[str, str]]
    deadline: float
    clock: Clock
    journal: Journal
    woken: Callable[[], None]
    looked: Callable[[], None]


class Executor:
    def __init__(self, means: Means, memory: Memory) -> None:
        self._means = means
        self._memory = memory
        self._busy: dict[StackRef, _Busy] = {}
        self._purging: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.progressed: Callable[[], None] = lambda: None

    @property
    def running(self) -> Mapping[StackRef, Running]:
        return {ref: busy.running for ref, busy in self._busy.items()}

    def why(self, ref: StackRef) -> str:
        """The reason of what runs there."""
        return self._busy[ref].why if ref in self._busy else ""

    def carry_out(self, plan: Plan, repositories: Mapping[int, Repository]) -> None:
        self._remember_approval(plan)
        for action in plan.changes:
            self._start(action, repositories)

    async def close(self) -> None:
        """The operations themselves are ended by who owns them; here the waiting for them is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remember_approval(self, plan: Plan) -> None:
        if plan.digest and plan.digest in self._memory.approved_plans:
            self._memory.approved_plans.discard(plan.digest)
            self._memory.approved.update(plan.guarded)

    def _start(self, action: Action, repositories: Mapping[int, Repository]) -> None:
        match action:
            case actions.Create() | actions.Update() | actions.Retag() | actions.Destroy():
                self._operate(action)
            case actions.Interrupt():
                self._interrupt(action)
            case actions.Purge():
                self._in_background(self._purge(action))
            case actions.Confirm():
                self._in_background(self._confirm(action, repositories))
            case actions.Expire():
                self._in_background(self._expire(action, repositories))
            case _:
                raise AssertionError(f"{type(action).__name__} changes nothing")

    # --- operations

    def _operate(self, action: Operated) -> None:
        operation = self._operation(action)
        if action.ref in self._busy or (operation.target, operation.name) in self._purging:
            return  # It was started since the world was looked at; the next look knows.
        running = Running(
            action.ref,
            operation.verb,
            operation.commit,
            self._means.clock(),
            self._memory.superseded.get(action.ref, 0),
        )
        lane = self._means.operations.start(operation, lambda text: self._progress(action.ref, text))
        guarded = isinstance(action, actions.Destroy) and action.guarded
        self._busy[action.ref] = _Busy(lane, running, action.reason, guarded)
        self._means.journal.started(action, operation)
        self._in_background(self._attend(operation, lane))

    def _operation(self, action: Operated) -> Operation:
        ref, deadline = action.ref, self._means.deadline
        match action:
            case actions.Create(spec=spec) | actions.Update(spec=spec):
                return Operation(
                    ref=ref,
                    verb=Verb.UP,
                    target=spec.target,
                    name=spec.name,
                    tag=action.tag,
                    spec=spec,
                    commit=spec.source.commit,
                    refresh=isinstance(action, actions.Update) and action.refresh,
                    deadline=deadline,
                    settings=spec.settings,
                )
            case actions.Retag(tag=tag):
                return Operation(ref, Verb.RETAG, target="", name=tag.name, tag=tag, deadline=deadline)
            case actions.Destroy(name=name, target=target):
                settings = self._means.settings.get(target, {})
                return Operation(ref, Verb.DESTROY, target, name, deadline=deadline, settings=settings)
            case _:
                assert_never(action)

    async def _attend(self, operation: Operation, lane: Lane) -> None:
        result = await lane.wait()
        busy = self._busy.pop(operation.ref)
        self._memory.ended(result, busy.for_newer)
        self._count_destroy(result, busy)
        self._means.journal.ended(operation, result)
        self._means.woken()

    def _count_destroy(self, result: OperationResult, busy: _Busy) -> None:
        if busy.guarded and result.outcome is Outcome.SUCCEEDED:
            self._memory.destroyed.append(result.ended)
            self._memory.approved.discard(str(result.ref))

    def _progress(self, ref: StackRef, text: str) -> None:
        busy = self._busy.get(ref)
        if busy is not None:
            busy.running = replace(busy.running, progress=text[:200])
            self.progressed()

    def _interrupt(self, action: actions.Interrupt) -> None:
        busy = self._busy.get(action.ref)
        if busy is None or busy.running.interrupting:
            return
        busy.running = replace(busy.running, interrupting=True)
        busy.for_newer = not action.unwanted
        busy.lane.interrupt()
        self._means.journal.interrupted(action)

    # --- what is no operation

    async def _purge(self, action: actions.Purge) -> None:
        what = (action.target, action.name)
        if what in self._purging:
            return
        self._purging.add(what)
        try:
            settings = self._means.settings.get(action.target, {})
            await asyncio.to_thread(registry.get(action.target).purge, action.name, settings)
            self._memory.destroyed.append(self._means.clock())
            self._memory.approved.discard(f"{action.target}:{action.name}")
            self._means.journal.purged(action)
        except Exception as error:  # noqa: BLE001 - a target's trouble is told, and tried again at the next look
            self._means.journal.trouble(f"{action.target}:{action.name} could not be purged: {error}")
        finally:
            self._purging.discard(what)

    async def _confirm(self, action: actions.Confirm, repositories: Mapping[int, Repository]) -> None:
        """A look-up that fails confirms nothing: the stack stays, and is asked about again."""
        repository = repositories.get(action.key.repository)
        if repository is None:
            return
        try:
            pull = await asyncio.to_thread(self._means.forge.pull, repository, action.key.number)
        except ForgeError as error:
            self._means.journal.trouble(f"{repository.full_name}#{action.key.number} could not be asked for: {error}")
            return
        self._memory.confirm(pull, self._means.clock())
        self._means.woken()

    async def _expire(self, action: actions.Expire, repositories: Mapping[int, Repository]) -> None:
        repository = repositories.get(action.key.repository)
        if repository is None:
            return
        try:
            await asyncio.to_thread(self._means.forge.mark_expired, repository, action.commit, action.reason)
        except ForgeError as error:
            self._means.journal.trouble(f"{action.ref} could not be marked as expired: {error}")
            return
        self._means.journal.expired(action)
        self._means.looked()

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
