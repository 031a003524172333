"""What is there: a store of stacks as Pulumi's file backend keeps it, in pieces that do not change together (states,
tags, locks), and a target with its parts. ``wrong`` collects what must never happen, as it happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from programs.fake import FakeTarget
from stacks.executors.port import OnDestroyed
from stacks.model import (
    Operation,
    OperationResult,
    StackLock,
    StackRecord,
    StackRef,
    StackSnapshot,
    StackTag,
)
from tests.worlds.model.problems import Problem
from tests.worlds.model.virtual_loop import late


@dataclass(slots=True)
class TargetPart:
    """What the target holds under one name. ``commit`` is served; empty: nothing is."""

    ref: StackRef | None
    commit: str = ""


@dataclass(slots=True)
class Faults:
    """What is wrong with the machine just now."""

    unreadable: dict[StackRef, str] = field(default_factory=dict)
    failing: dict[StackRef, int] = field(default_factory=dict)
    slow: set[StackRef] = field(default_factory=set)
    hanging: set[StackRef] = field(default_factory=set)
    unresponsive: set[str] = field(default_factory=set)
    incomplete: bool = False
    target_down: bool = False


@dataclass(slots=True)
class ModelWorker:
    """A process at work. ``life`` is whose; it goes on without it for a while."""

    operation: Operation
    started_at: datetime
    on_destroyed: OnDestroyed
    task: asyncio.Task[OperationResult] | None = None
    interrupted: bool = False
    late: bool = False
    orphan: bool = False
    lock: str = ""


class ModelStore(FakeTarget):
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.states: dict[StackRef, StackRecord] = {}
        self.tags: dict[StackRef, StackTag] = {}
        self.locks: dict[StackRef, StackLock] = {}
        self.parts: dict[str, TargetPart] = {}
        self.faults = Faults()
        self.problems: list[Problem] = []
        self.workers: list[ModelWorker] = []

    # --- the store, as the inventory reads it

    def snapshot(self) -> StackSnapshot:
        found = {ref: self._record(ref) for ref in sorted(self.states)}
        if not self.faults.incomplete:
            return StackSnapshot(found)
        half = {ref: record for place, (ref, record) in enumerate(found.items()) if place % 2}
        return StackSnapshot(half, False, "the disk is slow")

    def _record(self, ref: StackRef) -> StackRecord:
        lock = self.locks.get(ref)
        locks = (lock,) if lock is not None else ()
        record = replace(self.states[ref], tag=self.tags.get(ref), locks=locks)
        why = self.faults.unreadable.get(ref)
        return StackRecord(ref, locks=locks, history=record.history, unreadable=why) if why else record

    # --- the target

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        if self.faults.target_down:
            raise OSError("the target does not answer")
        return frozenset(self.parts)

    @late
    def purge(self, name: str, settings: Mapping[str, str]) -> None:
        if self.faults.target_down:
            raise OSError("the target does not answer")
        at_work = [worker for worker in self.workers if worker.operation.name == name and self.parts.get(name)]
        if at_work:
            self.problems.append(Problem("overlaps", f"{name} was purged while {at_work[0].operation.ref} is at work"))
        part = self.parts.pop(name, None)
        if part is not None and part.ref in self.states:
            self.problems.append(Problem("lost", f"{name} was purged, and its stack {part.ref} is there"))

    def served_commit(self, name: str) -> str:
        """The commit that answers there; empty when nothing does."""
        part = self.parts.get(name)
        return part.commit if part is not None and name not in self.faults.unresponsive else ""

    def remove(self, ref: StackRef) -> None:
        """``pulumi stack rm --force``, by an operator."""
        for where in (self.states, self.tags, self.locks):
            where.pop(ref, None)
