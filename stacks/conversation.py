"""The parent's end of a worker's pipes: the order goes in, JSON lines come out, until the result or the worker's end.

Nothing that a worker, a program or a callback does may leave an operation without its end: a line that is too long or
no JSON is dropped, a callback that raises is logged, and nobody waits for a worker to read, which a stopped one never
does.

With several replicas the worker is told until when its owner leads, again with each renewal: it starts nothing later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from stacks import processes, wire
from stacks.interpreters import Interpreter
from stacks.model import Operation, OperationResult
from stacks.places import Places
from stacks.port import Progress

GRACE = 20.0
"""Seconds from an interrupt to the kill."""

DYING = 5.0
"""Seconds after the kill in which the end of its output should come."""
TELL_LEASE = 1.0

Until = Callable[[], float]
Emptied = Callable[[Operation], Awaitable[bool]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """``result`` None: the worker died without a word; ``asked`` and ``late`` say whether we had told it to end."""

    result: OperationResult | None
    asked: bool = False
    late: bool = False


class Conversation:
    def __init__(
        self,
        interpreter: Interpreter,
        operation: Operation,
        progress: Progress,
        emptied: Emptied,
        lease: Until | None = None,
    ) -> None:
        self._interpreter = interpreter
        self._operation = operation
        self._progress = progress
        self._emptied = emptied
        self._lease = lease

    async def hold(self, places: Places, version: str, asked: asyncio.Event) -> Ending:
        """Gives the order and listens to the end; interrupts when asked or at the deadline, kills when that is not
        heeded."""
        own = replace(places, work=self._interpreter.folder)
        not_after = self._lease() if self._lease else None
        order = {"places": own.to_json(), "version": version, "operation": wire.dump(self._operation)}
        self._write(json.dumps({**order, "not_after": not_after}))
        listening = asyncio.create_task(self._listen())
        wish = asyncio.create_task(asked.wait())
        leading = asyncio.create_task(self._tell_lease(not_after))
        try:
            deadline = self._operation.deadline
            await asyncio.wait({listening, wish}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                return Ending(listening.result())
            late = not wish.done()
            self._write("late" if late else "interrupt")
            await asyncio.wait({listening}, timeout=GRACE)
            if not listening.done():
                processes.send_group(self._interpreter.process.pid, signal.SIGKILL)
                await asyncio.wait({listening}, timeout=DYING)
            return Ending(listening.result() if listening.done() else None, asked=not late, late=late)
        finally:
            for task in (wish, listening, leading):
                task.cancel()

    async def _tell_lease(self, told: float | None) -> None:
        """Each renewal, for as long as the operation lasts."""
        while self._lease is not None and told is not None:
            await asyncio.sleep(TELL_LEASE)
            if (until := self._lease()) > told:
                self._write(f"lead {until}")
                told = until

    async def _listen(self) -> OperationResult | None:
        async for message in self._messages():
            match message.get("event"):
                case "progress":
                    self._tell(str(message["text"]))
                case "emptied":
                    self._write("remove" if await self._may_remove() else "keep")
                case "result":
                    return wire.result(message["result"])
        return None

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        out = self._interpreter.process.stdout
        if out is None:
            raise AssertionError("it was asked for as a pipe")
        while True:
            try:
                raw = await out.readline()
            except ValueError:
                continue  # longer than the limit: whatever it was, a result is never
            if not raw:
                return
            with contextlib.suppress(ValueError):
                message = json.loads(raw)
                if isinstance(message, dict):
                    yield message

    def _tell(self, text: str) -> None:
        try:
            self._progress(text)
        except Exception:
            log.exception("progress of %s could not be told", self._operation.ref)

    async def _may_remove(self) -> bool:
        try:
            return await self._emptied(self._operation)
        except Exception:
            log.exception("the record of %s stays: telling of its end failed", self._operation.ref)
            return False

    def _write(self, line: str) -> None:
        stdin = self._interpreter.process.stdin
        if stdin is None:
            raise AssertionError("it was asked for as a pipe")
        with contextlib.suppress(ConnectionError):
            stdin.write(line.encode() + b"\n")
