"""What Eph needs to run operations. ``stacks.fake`` runs them in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from stacks.model import Operation, OperationResult, StackRef

if TYPE_CHECKING:
    from stacks.executors.process.recovery import Recovery

OnProgress = Callable[[str], None]
OnDestroyed = Callable[[Operation], Awaitable[bool]]
"""Awaited between a destroy and the removal of its record. False keeps the record, and the operation fails."""


class Lane(Protocol):
    """One operation under way. ``interrupt`` asks it to end early; ``wait`` gives its result, always exactly one."""

    async def wait(self) -> OperationResult: ...

    def interrupt(self) -> None: ...


class Operations(Protocol):
    async def open(self) -> None:
        """Before the first ``start``."""

    def start(self, operation: Operation, progress: OnProgress, on_destroyed: OnDestroyed) -> Lane: ...

    def recover(self) -> list[StackRef]:
        """Ends what an earlier life left running, by its recorded identity; gives what it ended."""

    def take_over(self) -> Recovery:
        """The same for one of several replicas: ends what is proven dead, and gives what must be waited for."""

    def last_results(self) -> Iterable[OperationResult]:
        """The last result of each stack, kept over a restart."""

    def log_lines(self, ref: StackRef, limit: int) -> list[str]:
        """The last lines of the stack's newest operation. Blocking."""

    def forget(self, ref: StackRef) -> None:
        """Deletes results and logs of a stack that is gone."""

    async def close(self) -> None:
        """Interrupts running operations and waits for them."""
