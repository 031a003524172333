"""One operation of the executor in memory: how it ends, and the failure that was requested for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from stacks.executors.port import OnDestroyed
from stacks.model import OperationResult, OperationVerb


@dataclass(slots=True)
class FakeFailure:
    error: str
    times: int
    retryable: bool
    verb: OperationVerb | None


@dataclass(slots=True)
class Interruption:
    """How an operation ends: normally, or on request. ``on_destroyed`` can keep the record of a destroyed stack."""

    on_destroyed: OnDestroyed
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    timed_out: bool = False


class FakeLane:
    def __init__(self, task: asyncio.Task[OperationResult], interruption: Interruption) -> None:
        self._task = task
        self._interruption = interruption

    async def wait(self) -> OperationResult:
        return await asyncio.shield(self._task)

    def interrupt(self) -> None:
        self._interruption.interrupted.set()
