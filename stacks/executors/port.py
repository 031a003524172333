"""What Eph needs to run operations. ``fake.py`` runs them in memory.

An operation belongs to the process of ephd that started it. If that process dies, the executor recovers the operation:
it knows the identity of what runs, and can prove that it is dead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from programs.steps import StepEvent
from stacks.model import Operation, OperationResult, OperationVerb, StackRef
from stacks.operations.worker_settings import WorkerSettings
from stacks.stray_files import HoldsStrayFiles

OnProgress = Callable[[str], None]
OnDestroyed = Callable[[Operation], Awaitable[bool]]
"""Awaited between a destroy and the removal of its record. False keeps the record, and the operation fails."""
LeaseUntil = Callable[[], float]
"""Until when operations may start a step, by ``process_identity.boot_clock``."""


@dataclass(frozen=True, slots=True)
class RemoteOperation:
    """An operation that another process of ephd started and that isn't proven dead. ``identity`` names for people what
    runs, and where."""

    ref: StackRef
    verb: OperationVerb
    commit: str
    started_at: datetime
    identity: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """``ended`` were proven dead and are cleaned up; ``still_running`` must be waited for."""

    ended: tuple[StackRef, ...] = ()
    still_running: tuple[RemoteOperation, ...] = ()


@dataclass(frozen=True, slots=True)
class StepPage:
    """Events of steps, and the position after them. ``commit``: the first digits of the last event's commit."""

    events: tuple[StepEvent, ...] = ()
    position: str = ""
    commit: str = ""


class Lane(Protocol):
    """One running operation. ``interrupt`` asks it to end early; ``wait`` returns its result, always exactly one."""

    async def wait(self) -> OperationResult: ...

    def interrupt(self) -> None: ...


class Executor(HoldsStrayFiles, Protocol):
    """One stack never has two operations at once: the second one fails with ``wording.ALREADY_RUNNING``."""

    async def open(self) -> None:
        """Called once, before the first ``start``."""

    def start(self, operation: Operation, progress: OnProgress, on_destroyed: OnDestroyed) -> Lane: ...

    def recover(self) -> Recovery:
        """Ends what other processes of ephd started and left. Blocking. Without replicas, whatever this process didn't
        start is left over; with replicas, only what is proven dead."""

    def sessions(self) -> tuple[int, ...]:
        """The session of processes of each running operation, if operations run on this machine: its memory limits how
        many run at once."""

    # --- what is kept of operations

    def last_results(self) -> Iterable[OperationResult]:
        """The last result of each stack, also those of earlier processes of ephd."""

    def log_lines(self, ref: StackRef, limit: int) -> list[str]:
        """The last lines of the stack's newest operation. Blocking."""

    def steps(self, ref: StackRef, commit: str = "", since: str = "") -> StepPage:
        """The steps of a commit's builds, of the newest commit if it is empty. ``since``: what happened after an
        earlier page, whatever its commit. Blocking."""

    def step_commits(self, ref: StackRef) -> list[str]:
        """The first digits of the commits whose steps are kept, the newest last. Blocking."""

    def forget(self, ref: StackRef) -> None:
        """Deletes the results, logs and steps of a stack that is gone."""

    async def close(self) -> None:
        """Interrupts the running operations and waits for them. Nothing starts any more."""


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """What every executor is given. ``records`` is a folder that all replicas share, for what is kept of operations;
    ``lease_until`` is None without replicas."""

    worker: WorkerSettings
    version: str
    """Of Pulumi."""
    records: Path
    warm_workers: int = 1
    lease_until: LeaseUntil | None = None


@dataclass(frozen=True, slots=True)
class ExecutorAdapter:
    """What the folder of an executor offers. ``open`` does no I/O."""

    name: str
    open: Callable[[ExecutorSettings], Executor]
