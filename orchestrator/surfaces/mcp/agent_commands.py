"""Runs a command in an environment for an agent: no input, limited time, the end of its output."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from orchestrator.service.exec.exec_port import ExecEnded, ExecEvent, ExecOutput, ExecSessionNotFound, ExecStarted
from orchestrator.service.port import EnvironmentService

MAX_OUTPUT = 6_000
"""In characters, per stream."""


@dataclass(slots=True)
class AgentCommand:
    """``code`` is None while it runs, and if it was stopped."""

    output: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    code: int | None = None
    cut: bool = False

    def add(self, stream: str, text: str) -> None:
        whole = self.output[stream] + text
        self.output[stream] = whole[-MAX_OUTPUT:]
        self.cut = self.cut or len(whole) > MAX_OUTPUT


async def collect(
    service: EnvironmentService, events: AsyncGenerator[ExecEvent], caller: str, seconds: float
) -> AgentCommand:
    """Stops the command after that time."""
    found = AgentCommand()
    async with contextlib.aclosing(events):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for event in events:
                    match event:
                        case ExecStarted(session):
                            with contextlib.suppress(ExecSessionNotFound):
                                await service.send_input(session, b"", True, caller)
                        case ExecOutput(stream, text):
                            found.add(stream, text)
                        case ExecEnded(code):
                            found.code = code
    return found
