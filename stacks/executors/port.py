"""What Eph needs to run operations. ``stacks.fake`` runs them in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stacks.model import Operation, OperationResult, StackRef

OnProgress = Callable[[str], None]


class Lane(Protocol):
    """One operation under way. ``interrupt`` asks it to end early; ``wait`` gives its result, always exactly one."""

    async def wait(self) -> OperationResult: ...

    def interrupt(self) -> None: ...


class Operations(Protocol):
    def start(self, operation: Operation, progress: OnProgress) -> Lane: ...

    def recover(self) -> list[StackRef]:
        """Ends what an earlier life left running, by its recorded identity; gives what it ended."""

    async def close(self) -> None: ...
