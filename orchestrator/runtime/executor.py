"""Carries a plan out: one lane for each stack, every operation a process, every end written down and told to the loop.

Decides nothing. What the plan says is started in its order; what an operation's end means is read from the store at
the next look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from orchestrator.config.vault import Vault
from orchestrator.core import actions
from orchestrator.core.actions import Action, Find
from orchestrator.core.images import Answer
from orchestrator.core.model import Mended, PullRequest, PullState, Running
from orchestrator.core.plans import Plan, line
from orchestrator.forge.port import (
    EXPIRED,
    LABEL_LEFT,
    LABEL_OFF,
    Forge,
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    NotThere,
    Repository,
    expired_mark,
)
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.errands import Errands
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.memory import Memory
from programs import registry
from programs.registry import Target
from stacks import names
from stacks.model import Operation, OperationResult, Outcome, RefKind, StackRef, Verb
from stacks.port import Lane, Operations

log = logging.getLogger("eph.executor")

Marking = actions.Expire | actions.Unlabel | actions.Revive
Operated = actions.Create | actions.Update | actions.Retag | actions.Sleep | actions.Wake | actions.Destroy


@dataclass(slots=True)
class _Busy:
    """A lane in use: what runs in it, and whether a newer commit is why it is being ended."""

    lane: Lane
    running: Running
    name: str
    why: str
    for_newer: bool = False
    mends: str = ""


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
    target: Callable[[str], Target] = registry.get
    find: Callable[[Find, Repository], Sequence[Answer]] = lambda *_: ()
    """Looks for images; blocks."""
    vault: Vault = field(default_factory=Vault)
    leads: Callable[[], bool] = lambda: True
    """Asked before each thing that changes something: another replica may lead by now."""


PURGES_AT_ONCE = 2
"""They take threads, and a target may be slow: what is asked of the Git host must not wait behind them."""


FINDS_AT_ONCE = 8


class Executor:
    def __init__(self, means: Means, memory: Memory) -> None:
        self._means = means
        self._memory = memory
        self._busy: dict[StackRef, _Busy] = {}
        self._purging: set[tuple[str, str]] = set()
        self._finding = asyncio.Semaphore(FINDS_AT_ONCE)
        self.errands = Errands(means.clock, means.journal.trouble)
        self.progressed: Callable[[], None] = lambda: None

    @property
    def running(self) -> Mapping[StackRef, Running]:
        return {ref: busy.running for ref, busy in self._busy.items()}

    @property
    def purging(self) -> frozenset[str]:
        """Names of which something is being removed on a target just now."""
        return frozenset(name for _, name in self._purging)

    @contextlib.contextmanager
    def alone(self, target: str, name: str) -> Iterator[bool]:
        """While it lasts, no operation and no purge begins on that environment; False: one is under way."""
        what = (target, name)
        free = what not in self._purging and name not in {busy.name for busy in self._busy.values()}
        if free:
            self._purging.add(what)
        try:
            yield free
        finally:
            if free:
                self._purging.discard(what)
                self._means.woken()

    def why(self, ref: StackRef) -> str:
        """The reason of what runs there."""
        return self._busy[ref].why if ref in self._busy else ""

    def carry_out(self, plan: Plan, repositories: Mapping[int, Repository]) -> None:
        """Each on its own: one that cannot be started never stops the others."""
        self._remember_approval(plan)
        for action in plan.changes:
            if not self._means.leads():
                return
            try:
                self._start(action, repositories)
            except Exception as error:
                log.exception("%s could not be started", type(action).__name__)
                self._means.journal.trouble(f"{line(action)}: could not be started: {type(error).__name__}: {error}")

    async def close(self) -> None:
        """The operations themselves are ended by who owns them; here the waiting for them is."""
        await self.errands.close()

    def _remember_approval(self, plan: Plan) -> None:
        if plan.digest in self._memory.approved_plans:
            del self._memory.approved_plans[plan.digest]
            self._memory.approved.update(dict.fromkeys(plan.guarded, self._means.clock()))

    def _start(self, action: Action, repositories: Mapping[int, Repository]) -> None:
        match action:
            case actions.Create() | actions.Update() | actions.Retag() | actions.Destroy():
                self._operate(action)
            case actions.Sleep() | actions.Wake():
                self._operate(action)
            case actions.Interrupt():
                self._interrupt(action)
            case actions.Purge():
                self._purge(action)
            case actions.Confirm():
                self.errands.once(action.key, lambda: self._confirm(action, repositories))
            case actions.Find():
                self.errands.once((action.ref, "images"), lambda: self._find(action, repositories))
            case actions.Expire() | actions.Unlabel() | actions.Revive():
                self.errands.once((action.ref, action.commit), lambda: self._mark(action, repositories))
            case _:
                raise AssertionError(f"{type(action).__name__} changes nothing")

    # --- operations

    def _operate(self, action: Operated) -> None:
        operation = replace(self._operation(action), hidden=self._means.vault.values())
        if action.ref in self._busy or (operation.target, operation.name) in self._purging:
            return  # It was started since the world was looked at; its end wakes the loop.
        running = Running(
            action.ref,
            operation.verb,
            operation.commit,
            self._means.clock(),
            self._memory.superseded.get(action.ref, 0),
            name=operation.name,
        )
        lane = self._means.operations.start(operation, lambda text: self._progress(action.ref, text))
        mends = action.mends if isinstance(action, actions.Update) else ""
        self._busy[action.ref] = _Busy(lane, running, operation.name, action.reason, mends=mends)
        if isinstance(action, actions.Destroy) and action.guarded:
            self._count(action.ref)
        self._means.journal.started(action, operation)
        self.errands.run(self._attend(operation, lane))

    def _count(self, ref: StackRef) -> None:
        """Counted when it begins, or those under way would escape the guard; a retry was counted before."""
        failure = self._memory.failures.get(ref)
        if failure is None or failure.verb is not Verb.DESTROY:
            self._memory.destroyed.append(self._means.clock())

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
                    spec=self._means.vault.unlocked(spec),
                    commit=spec.source.commit,
                    refresh=isinstance(action, actions.Update) and action.refresh,
                    deadline=deadline,
                    settings=spec.settings,
                )
            case actions.Retag(tag=tag):
                return Operation(ref, Verb.RETAG, target="", name=tag.name, tag=tag, deadline=deadline)
            case actions.Sleep(name=name, target=target) | actions.Wake(name=name, target=target):
                verb, commit = (Verb.SLEEP, "") if isinstance(action, actions.Sleep) else (Verb.WAKE, action.commit)
                told = self._means.settings.get(target, {})
                return Operation(ref, verb, target, name, action.tag, commit=commit, deadline=deadline, settings=told)
            case actions.Destroy(name=name, target=target):
                settings = self._means.settings.get(target, {})
                return Operation(ref, Verb.DESTROY, target, name, deadline=deadline, settings=settings)
            case _:
                assert_never(action)

    async def _attend(self, operation: Operation, lane: Lane) -> None:
        """Whatever happens, the lane is free again afterwards and the loop is told."""
        ref = operation.ref
        try:
            result = await self._result(operation, lane)
            busy = self._busy[ref]
            self._memory.ended(result, busy.running.started, busy.for_newer)
            if operation.verb is Verb.DESTROY and result.outcome is Outcome.SUCCEEDED:
                self._memory.approved.pop(str(ref), None)
            self._means.journal.ended(operation, result)
            if busy.mends and result.outcome is Outcome.SUCCEEDED:
                self._mended(operation, busy.mends)
        finally:
            self._busy.pop(ref, None)
            self._means.woken()

    def _mended(self, operation: Operation, sentence: str) -> None:
        mended = Mended(self._means.clock(), operation.commit, sentence)
        self._memory.mended[operation.ref] = mended
        self._means.journal.repaired(operation.ref, mended)

    async def _result(self, operation: Operation, lane: Lane) -> OperationResult:
        try:
            return await lane.wait()
        except Exception as error:
            log.exception("the operation on %s ended without a result", operation.ref)
            began, now = self._busy[operation.ref].running.started, self._means.clock()
            why = f"it ended without a result ({type(error).__name__}: {error})"
            return OperationResult(operation.ref, operation.verb, Outcome.FAILED, operation.commit, began, now, why)

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

    def _purge(self, action: actions.Purge) -> None:
        what = (action.target, action.name)
        names = {busy.name for busy in self._busy.values()}
        if action.name in names or what in self._purging or len(self._purging) >= PURGES_AT_ONCE:
            return
        if self.errands.once(what, lambda: self._purged(action, what)):
            self._purging.add(what)  # from this very moment: nothing of that name is made meanwhile

    async def _purged(self, action: actions.Purge, what: tuple[str, str]) -> bool:
        settings = self._means.settings.get(action.target, {})
        try:
            await asyncio.to_thread(self._means.target(action.target).purge, action.name, settings)
        except Exception as error:  # noqa: BLE001 - a target's trouble is told, and tried again
            self._means.journal.trouble(f"{action.target}:{action.name} could not be purged: {error}")
            return False
        finally:
            self._purging.discard(what)
            self._means.woken()
        self._memory.destroyed.append(self._means.clock())
        self._memory.approved.pop(f"{action.target}:{action.name}", None)
        self._means.journal.purged(action)
        return True

    async def _confirm(self, action: actions.Confirm, repositories: Mapping[int, Repository]) -> bool:
        """A look-up that fails confirms nothing: the stack stays, and is asked about again."""
        repository = repositories.get(action.key.repository)
        if repository is None:
            return False
        try:
            pull = await asyncio.to_thread(self._ask_for, action, repository)
        except ForgeError as error:
            self._means.journal.trouble(f"{repository.full_name}#{action.key.number} could not be asked for: {error}")
            return False
        self._memory.confirm(pull, self._means.clock())
        self._means.woken()
        return True

    async def _find(self, action: Find, repositories: Mapping[int, Repository]) -> bool:
        repository = repositories.get(action.key.repository)
        if repository is None:
            return False
        async with self._finding:
            answers = await asyncio.to_thread(self._means.find, action, repository)
        self._memory.found(action, answers, self._means.clock())
        self._means.woken()
        return True

    def _ask_for(self, action: actions.Confirm, repository: Repository) -> PullRequest:
        """Blocking. Of a branch or a tag all are listed that begin as its name does: a stack's tag may have no more."""
        key = action.key
        if key.kind is RefKind.PULL:
            return self._means.forge.pull(repository, key.number)
        refs = self._means.forge.refs(repository, key.kind, (f"{action.ref_name}**",))
        found = next((name for name in refs.commits if names.ref_number(key.kind, name) == key.number), "")
        if not found and not refs.complete:
            raise ForgeUnavailable(f"the {key.kind}es of {repository.full_name} could not be read whole: {refs.reason}")
        state = PullState.OPEN if found else PullState.GONE
        return PullRequest(key, state, "", frozenset(), "", refs.commits.get(found, ""), found, "", "")

    async def _mark(self, action: Marking, repositories: Mapping[int, Repository]) -> bool:
        """What a mark says is believed once it is read back, so the host is asked again."""
        repository = repositories.get(action.key.repository)
        if repository is None or not self._means.leads():
            return False
        try:
            await asyncio.to_thread(self._write_mark, action, repository)
        except ForgeError as error:
            self._means.journal.trouble(f"{action.ref} could not be marked as expired: {error}")
            return False
        if isinstance(action, actions.Expire):
            self._means.journal.expired(action)
        elif isinstance(action, actions.Revive):
            self._memory.first_seen.pop(action.key, None)  # its time counts anew
        self._means.looked()
        return True

    def _write_mark(self, action: Marking, repository: Repository) -> None:
        """Blocking."""
        forge, mark = self._means.forge, expired_mark(action.ref.stack)
        match action:
            case actions.Expire():
                forge.mark(repository, action.commit, mark, action.reason)
            case actions.Unlabel():
                how = LABEL_OFF if self._unlabel(action, repository) else LABEL_LEFT
                forge.mark(repository, action.commit, mark, how + action.reason)
            case actions.Revive():
                for name in (mark, EXPIRED):
                    forge.mark(repository, action.commit, name, "")
            case _:
                assert_never(action)

    def _unlabel(self, action: actions.Unlabel, repository: Repository) -> bool:
        """Whether none is left that we may not take off."""
        allowed = True
        for label in action.labels:
            try:
                self._means.forge.remove_label(repository, action.key.number, label)
            except NotThere:
                continue  # somebody was quicker
            except ForgeRefused as error:
                self._means.journal.trouble(f"{action.ref}: the label {label} could not be taken off: {error}")
                allowed = False
        return allowed
