"""The parent's end of a worker's pipes: sends the operation, reads JSON lines until the result or the worker's end.

Nothing that a worker, a program or a callback does can prevent an operation from ending: a line that is too long or
isn't JSON is dropped, an exception in a callback is logged, and writing never waits for a worker to read, which a
stopped one never does.

With several replicas the worker is told when its owner's lease expires, again with each renewal. It starts nothing
later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stacks import process_identity
from stacks.executors.port import LeaseUntil, OnDestroyed, OnProgress
from stacks.executors.process.warm_workers import WarmWorker
from stacks.model import Operation, OperationResult
from stacks.operations import serialization
from stacks.operations.worker_settings import WorkerSettings

GRACE = 20.0
"""Seconds from an interrupt to the kill."""

KILL_TIMEOUT = 5.0
"""Seconds after the kill within which its output should end."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """``result`` None: the worker died without one. ``interrupted`` and ``timed_out`` say whether we had asked it to
    stop."""

    result: OperationResult | None
    interrupted: bool = False
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class SessionTiming:
    """Seconds: ``grace`` from an interrupt to the kill, ``lease_interval`` between two looks at the lease."""

    grace: float = GRACE
    lease_interval: float = 1.0


DEFAULT_TIMING = SessionTiming()


class WorkerSession:
    def __init__(
        self,
        worker: WarmWorker,
        operation: Operation,
        progress: OnProgress,
        on_destroyed: OnDestroyed,
        lease_until: LeaseUntil | None = None,
        timing: SessionTiming = DEFAULT_TIMING,
    ) -> None:
        self._worker = worker
        self._operation = operation
        self._progress = progress
        self._on_destroyed = on_destroyed
        self._lease_until = lease_until
        self._timing = timing

    async def run(
        self,
        settings: WorkerSettings,
        version: str,
        interrupt_requested: asyncio.Event,
        steps: Path | None = None,
    ) -> WorkerExit:
        """Sends the operation and reads until the end. Interrupts it when requested or at the deadline, and kills it if
        it doesn't react. ``steps``: the file for the steps of a build."""
        own = replace(settings, work=self._worker.folder)
        not_after = self._lease_until() if self._lease_until else None
        order = {"settings": own.to_json(), "version": version, "operation": serialization.dump(self._operation)}
        self._send_line(json.dumps({**order, "not_after": not_after, "steps": str(steps) if steps else ""}))
        listening = asyncio.create_task(self._read_result())
        interrupt = asyncio.create_task(interrupt_requested.wait())
        leading = asyncio.create_task(self._send_lease_renewals(not_after))
        try:
            deadline = self._operation.deadline
            await asyncio.wait({listening, interrupt}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                return WorkerExit(listening.result())
            late = not interrupt.done()
            self._send_line("late" if late else "interrupt")
            await asyncio.wait({listening}, timeout=self._timing.grace)
            if not listening.done():
                process_identity.send_group_signal(self._worker.process.pid, signal.SIGKILL)
                await asyncio.wait({listening}, timeout=KILL_TIMEOUT)
            return WorkerExit(listening.result() if listening.done() else None, interrupted=not late, timed_out=late)
        finally:
            for task in (interrupt, listening, leading):
                task.cancel()

    async def _send_lease_renewals(self, last_sent: float | None) -> None:
        """Sends each renewal while the operation lasts."""
        while self._lease_until is not None and last_sent is not None:
            await asyncio.sleep(self._timing.lease_interval)
            if (until := self._lease_until()) > last_sent:
                self._send_line(f"lead {until}")
                last_sent = until

    async def _read_result(self) -> OperationResult | None:
        async for message in self._messages():
            match message.get("event"):
                case "progress":
                    self._report_progress(str(message["text"]))
                case "emptied":
                    self._send_line("remove" if await self._confirm_destroyed() else "keep")
                case "result":
                    return serialization.load_result(message["result"])
        return None

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        out = self._worker.process.stdout
        if out is None:
            raise AssertionError("the process has no pipe")
        while True:
            try:
                raw = await out.readline()
            except ValueError:
                continue  # longer than the limit: whatever it was, it can't be a result
            if not raw:
                return
            with contextlib.suppress(ValueError):
                message = json.loads(raw)
                if isinstance(message, dict):
                    yield message

    def _report_progress(self, text: str) -> None:
        try:
            self._progress(text)
        except Exception:
            log.exception("couldn't report progress of %s", self._operation.ref)

    async def _confirm_destroyed(self) -> bool:
        try:
            return await self._on_destroyed(self._operation)
        except Exception:
            log.exception("keeping the record of %s: reporting that it was destroyed failed", self._operation.ref)
            return False

    def _send_line(self, line: str) -> None:
        stdin = self._worker.process.stdin
        if stdin is None:
            raise AssertionError("the process has no pipe")
        with contextlib.suppress(ConnectionError):
            stdin.write(line.encode() + b"\n")
