"""Sends a trace for each operation that ended, in the background. What a collector doesn't accept is lost: traces never
delay an operation, and the event log has the same facts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata

import httpx

from orchestrator.config.settings.groups import TracesSettings
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.ledger.port import Event
from orchestrator.runtime import clock
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.operations import journal
from orchestrator.service import wording
from orchestrator.service.traces import trace_request
from orchestrator.service.traces.trace_request import TraceSource
from programs import steps
from programs.steps import StepRun
from stacks.executors.port import StepPage
from stacks.model import OperationVerb, StackRef

log = logging.getLogger("eph.traces")

TIMEOUT = 10.0
MAX_WAITING = 100
PATH = "/v1/traces"
CLOCK_TOLERANCE = 5.0
"""Operations may run on a machine whose clock is a little late."""
_WITH_STEPS = frozenset({OperationVerb.UP, OperationVerb.WAKE})


@dataclass(frozen=True, slots=True)
class TraceExporterDependencies:
    """``read_steps`` blocks."""

    settings: TracesSettings
    source: TraceSource
    client: httpx.AsyncClient
    read_steps: Callable[[StackRef], StepPage]
    tasks: BackgroundTasks


class TraceExporter:
    """``on_event`` and ``on_cycle`` are called in the event loop."""

    def __init__(self, dependencies: TraceExporterDependencies) -> None:
        self._deps = dependencies
        self._views: Mapping[str, EnvironmentView] = {}
        self._waiting = 0

    @property
    def is_busy(self) -> bool:
        return self._waiting > 0

    def on_cycle(self, cycle: CycleResult) -> None:
        self._views = {str(view.ref): view for view in cycle.views}

    def on_event(self, event: Event) -> None:
        """Without an endpoint, nothing happens."""
        is_wanted = bool(self._deps.settings.endpoint) and self._waiting < MAX_WAITING
        if is_wanted and journal.SECONDS in event.data and journal.VERB in event.data:
            self._waiting += 1
            self._deps.tasks.start(self._export(event, self._views.get(event.subject)))

    async def close(self) -> None:
        await self._deps.tasks.close()

    async def _export(self, event: Event, view: EnvironmentView | None) -> None:
        try:
            runs = await asyncio.to_thread(self._steps, event)
            problem = await self._send(trace_request.build(event, view, runs, self._deps.source))
            if problem:
                log.warning("%s", wording.trace_lost(problem))
        finally:
            self._waiting -= 1

    def _steps(self, event: Event) -> list[StepRun]:
        """Those of this operation; the commit may have had earlier ones."""
        if event.data[journal.VERB] not in _WITH_STEPS:
            return []
        began = event.at.timestamp() - float(event.data[journal.SECONDS]) - CLOCK_TOLERANCE
        page = self._deps.read_steps(StackRef(*event.subject.split("/", 1)))
        return [run for run in steps.runs(page.events, still_running=False) if run.started_at >= began]

    async def _send(self, body: Mapping[str, object]) -> str:
        """Returns what went wrong."""
        settings = self._deps.settings
        try:
            answer = await self._deps.client.post(
                settings.endpoint.rstrip("/") + PATH, json=body, headers=settings.read_headers(), timeout=TIMEOUT
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return type(error).__name__
        return "" if answer.is_success else f"HTTP {answer.status_code}"


def open_exporter(
    settings: ServerSettings, client: httpx.AsyncClient, read_steps: Callable[[StackRef], StepPage]
) -> TraceExporter:
    tasks = BackgroundTasks(clock.system, lambda _: None)  # what fails is in the log
    source = TraceSource(settings.name, metadata.version("eph"))
    return TraceExporter(TraceExporterDependencies(settings.traces, source, client, read_steps, tasks))
