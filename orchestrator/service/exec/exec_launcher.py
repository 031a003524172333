"""Starts people's commands and jobs in environments: checks that it is possible, records it, and runs the process."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service.exec import wording
from orchestrator.service.exec.exec_port import ExecEvent
from orchestrator.service.exec.exec_sessions import ExecSessions
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.exec_requests import ExecProcess, ExecRequest, ExecUnavailable, JobRequest
from programs.registry import RunsCommands, RunsJobs, Target

T = TypeVar("T")
GONE = (Phase.DESTROYING, Phase.DESTROYED, Phase.EXPIRED)


@dataclass(frozen=True, slots=True)
class ExecLauncher:
    sessions: ExecSessions
    journal: Journal
    target: Callable[[str], Target]
    target_settings: Mapping[str, Mapping[str, str]]
    redact: Callable[[str], str]

    async def run_command(self, view: EnvironmentView, request: ExecRequest, by: str) -> AsyncGenerator[ExecEvent]:
        reason = RefusalReason.EXEC_UNAVAILABLE
        target, settings = self._find(view, reason)
        if not isinstance(target, RunsCommands):
            raise RequestRefused(reason, wording.exec_unsupported(view.target))
        process = await self._prepare(lambda: target.exec_command(view.name, settings, request), reason)
        message = wording.ran_command(self.redact(shlex.join(request.command)), request.terminal is not None)
        self.journal.record(EventKind.EXEC_STARTED, message, str(view.ref), by)
        size = request.terminal.size if request.terminal else None
        async with contextlib.aclosing(self.sessions.run(process, by, size)) as events:
            async for event in events:
                yield event

    async def run_job(self, view: EnvironmentView, request: JobRequest, by: str) -> AsyncGenerator[ExecEvent]:
        reason = RefusalReason.JOB_UNAVAILABLE
        target, settings = self._find(view, reason)
        if not isinstance(target, RunsJobs):
            raise RequestRefused(reason, wording.jobs_unsupported(view.target))
        argv = await self._prepare(lambda: target.job_command(view.name, settings, request), reason)
        self.journal.record(EventKind.JOB_STARTED, wording.started_job(self.redact(request.job)), str(view.ref), by)
        async with contextlib.aclosing(self.sessions.run(ExecProcess(tuple(argv)), by)) as events:
            async for event in events:
                yield event

    def _find(self, view: EnvironmentView, reason: RefusalReason) -> tuple[Target, Mapping[str, str]]:
        """The environment's target with its settings. Refuses if nothing of the environment runs."""
        if not view.commit or view.phase in GONE:
            raise RequestRefused(reason, wording.nothing_to_run_in(view.name))
        return self.target(view.target), self.target_settings.get(view.target, {})

    async def _prepare(self, create: Callable[[], T], reason: RefusalReason) -> T:
        self.sessions.check_capacity()
        try:
            return await asyncio.to_thread(create)
        except ExecUnavailable as error:
            raise RequestRefused(reason, str(error)) from error
