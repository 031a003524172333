"""What the rest of Eph needs of Pulumi: a reading of all stacks, and operations. ``fake.py`` ships both in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stacks.model import Operation, OperationResult, StackRef, StackSnapshot

OnProgress = Callable[[str], None]


class Inventory(Protocol):
    def snapshot(self) -> StackSnapshot:
        """All stacks of ours, read from the store itself; incremental: what did not change is not read again."""


class Lane(Protocol):
    """One operation under way. ``interrupt`` asks it to end early; ``wait`` gives its result, always exactly one."""

    async def wait(self) -> OperationResult: ...

    def interrupt(self) -> None: ...


class Operations(Protocol):
    def start(self, operation: Operation, progress: OnProgress) -> Lane: ...

    def recover(self) -> list[StackRef]:
        """Ends what an earlier life left running, by its recorded identity; gives what it ended."""

    async def close(self) -> None: ...
