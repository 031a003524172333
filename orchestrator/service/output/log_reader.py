"""What an environment prints: the steps of its builds, its services, and Pulumi's own log of the last operation.

All of it is redacted once more with the current secrets, because a secret may be newer than the output.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.service import wording
from orchestrator.service.port import (
    EnvironmentNotFound,
    RefusalReason,
    RequestRefused,
    StepHistory,
    TemporarilyUnavailable,
)
from programs import steps
from programs.registry import Target
from programs.runtime_info import LogLines, LogPositions, LogRequest, NoSuchLog
from stacks.executors.port import Executor, StepPage

FOLLOW_INTERVAL = 0.5
MAX_LINES = 5000
INITIAL_LINES = 200
"""Earlier lines that a follower gets at first."""


@dataclass(frozen=True, slots=True)
class LogReader:
    """``environment`` finds a view by name, or raises EnvironmentNotFound. ``is_busy``: an operation on it runs."""

    environment: Callable[[str], EnvironmentView]
    is_busy: Callable[[EnvironmentView], bool]
    operations: Executor
    target: Callable[[str], Target]
    target_settings: Mapping[str, Mapping[str, str]]
    redact: Callable[[str], str]

    async def services(self, name: str, query: LogRequest) -> LogLines:
        view = self.environment(name)
        target, settings = self.target(view.target), self.target_settings.get(view.target, {})
        try:
            found = await asyncio.to_thread(
                target.logs, view.name, settings, replace(query, lines=min(query.lines, MAX_LINES))
            )
            return replace(found, lines=tuple(self.redact(line) for line in found.lines))
        except NoSuchLog as error:
            raise RequestRefused(RefusalReason.UNKNOWN_LOG, str(error)) from error
        except Exception as error:
            raise TemporarilyUnavailable(wording.target_unreachable(view.target, error)) from error

    async def operation(self, name: str, lines: int) -> list[str]:
        view = self.environment(name)
        found = await asyncio.to_thread(self.operations.log_lines, view.ref, min(lines, MAX_LINES))
        return [self.redact(line) for line in found]

    async def all(self, name: str, lines: int, after: datetime | None = None) -> list[str]:
        """While it is created, there is only the output of its build."""
        page = await self._step_page(name)
        built = self._step_lines(page, after)
        try:
            running = (await self.services(name, LogRequest(lines=lines, after=after))).lines
        except (RequestRefused, TemporarilyUnavailable) as error:
            if not built or (after is not None and isinstance(error, RequestRefused)):
                raise
            running = ()
        return [*built, *running][-min(lines, MAX_LINES) :]

    async def steps(self, name: str, commit: str) -> StepHistory:
        view = self.environment(name)
        page = await self._step_page(name, commit)
        commits = await asyncio.to_thread(self.operations.step_commits, view.ref)
        busy = self.is_busy(view) and bool(commits) and commits[-1] == page.commit
        runs = steps.runs(page.events, still_running=busy)
        for run in runs:
            run.lines[:] = map(self.redact, run.lines)
        return StepHistory(page.commit, tuple(reversed(commits)), tuple(runs))

    async def follow(self, name: str, service: str | None, after: datetime | None = None) -> AsyncIterator[str]:
        """Stream lines until the environment is gone. If the target stops responding, keep trying. ``after``: begin
        with what was printed after that time, instead of the last lines."""
        since: LogPositions | None = None
        step_position = ""
        while True:
            try:
                if service is None:
                    page = await self._step_page(name, since=step_position)
                    for line in self._step_lines(page, after)[0 if step_position else -MAX_LINES :]:
                        yield line
                    step_position = page.position
                first = LogRequest(service, MAX_LINES if after else INITIAL_LINES, after=after)
                query = LogRequest(service, MAX_LINES, since=since) if since else first
                found = await self._follow_services(name, query, tolerant=service is None)
            except EnvironmentNotFound:
                return
            for line in found.lines if found else ():
                yield line
            since = found.positions if found else since
            await asyncio.sleep(FOLLOW_INTERVAL)

    async def _follow_services(self, name: str, query: LogRequest, *, tolerant: bool) -> LogLines | None:
        try:
            return await self.services(name, query)
        except (TemporarilyUnavailable, RequestRefused):
            if query.since is None and not tolerant:
                raise
            return None

    async def follow_operation(self, name: str) -> AsyncIterator[str]:
        seen: list[str] = []
        while True:
            try:
                now = await self.operation(name, MAX_LINES)
            except EnvironmentNotFound:
                return
            for line in _new_lines(seen, now):
                yield line
            seen = now
            await asyncio.sleep(FOLLOW_INTERVAL)

    async def _step_page(self, name: str, commit: str = "", since: str = "") -> StepPage:
        ref = self.environment(name).ref
        return await asyncio.to_thread(self.operations.steps, ref, commit, since)

    def _step_lines(self, page: StepPage, after: datetime | None = None) -> list[str]:
        events = [event for event in page.events if after is None or event.at >= after.timestamp()]
        return [self.redact(line) for line in steps.log_lines(events)]


def _new_lines(previous: list[str], current: list[str]) -> list[str]:
    """The lines after the longest suffix of ``previous`` with which ``current`` starts."""
    for start in range(len(previous) + 1):
        kept = previous[start:]
        if current[: len(kept)] == kept:
            return current[len(kept) :]
    return current
