"""Commands and jobs in environments, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import datetime

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.service.exec import wording as exec_wording
from orchestrator.service.exec.exec_port import ExecEnded, ExecEvent, ExecOutput, ExecSessionNotFound, ExecStarted
from orchestrator.service.fakes.fake_environments import START, FakeEnvironments
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.exec_requests import ExecRequest, JobRequest, TerminalRequest, TerminalSize


class FakeCommands(FakeEnvironments):
    def __init__(self, *views: EnvironmentView, clock: Callable[[], datetime] = lambda: START) -> None:
        super().__init__(*views, clock=clock)
        self.exec_code: int | None = 0
        self.exec_input: asyncio.Queue[bytes] = asyncio.Queue()
        self.exec_terminal: TerminalRequest | None = None
        self.exec_database = ""

    async def run_command(self, name: str, request: ExecRequest, by: str) -> AsyncGenerator[ExecEvent]:
        """Prints its words, then its input in upper case, and exits with ``exec_code``."""
        view = self._find(name)
        if self.refusal:
            raise RequestRefused(RefusalReason.EXEC_UNAVAILABLE, self.refusal)
        self.calls.append(("exec", view.name, by, request.service, *request.command))
        self.exec_terminal, self.exec_database = request.terminal, request.database
        self.exec_input = asyncio.Queue()
        yield ExecStarted("session-1")
        yield ExecOutput("stderr", "warning: a fake\n")
        yield ExecOutput("stdout", " ".join(request.command) + "\n")
        while data := await self.exec_input.get():
            yield ExecOutput("stdout", data.decode().upper())
        yield ExecEnded(self.exec_code)

    async def run_job(self, name: str, request: JobRequest, by: str) -> AsyncGenerator[ExecEvent]:
        """Prints the job's name and exits with ``exec_code``."""
        view = self._find(name)
        if self.refusal:
            raise RequestRefused(RefusalReason.JOB_UNAVAILABLE, self.refusal)
        self.calls.append(("job", view.name, by, request.job, request.parameters))
        yield ExecStarted("session-2")
        yield ExecOutput("stdout", f"{request.job} succeeded\n")
        yield ExecEnded(self.exec_code)

    async def send_input(self, session: str, data: bytes, end: bool, by: str) -> None:
        if session != "session-1":
            raise ExecSessionNotFound(exec_wording.no_exec_session(session))
        self.calls.append(("input", by))
        for part in ([data] if data else []) + ([b""] if end else []):
            self.exec_input.put_nowait(part)

    def resize_terminal(self, session: str, size: TerminalSize, by: str) -> None:
        if session != "session-1":
            raise ExecSessionNotFound(exec_wording.no_exec_session(session))
        self.calls.append(("resize", by, f"{size.rows}x{size.columns}"))
