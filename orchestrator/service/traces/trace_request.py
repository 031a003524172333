"""One operation as an OTLP request in JSON, by OpenTelemetry's CI/CD conventions: pure.

The operation is a pipeline run, each step a task below it. The IDs follow from what the span is about, so sending a
trace twice doesn't create a second one. Neither output nor error messages are included: a repository controls both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.page_links import PageTab, tab_url
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event
from orchestrator.runtime.operations import journal
from programs.steps import StepName, StepRun, StepState

SCOPE = "eph"
_SERVER, _INTERNAL = 2, 1
_ERROR = 2
_NANOSECONDS = 1_000_000_000
_TASK_TYPES: Mapping[str, str] = {StepName.BUILD: "build", StepName.HEALTH_CHECK: "test"}
_TASK_RESULTS: Mapping[StepState, str] = {
    StepState.SUCCEEDED: "success",
    StepState.FAILED: "failure",
    StepState.INTERRUPTED: "cancellation",
}
Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TraceSource:
    """Who sends it: the server's name and Eph's version."""

    name: str
    version: str


def build(event: Event, view: EnvironmentView | None, steps: Iterable[StepRun], source: TraceSource) -> dict[str, Any]:
    """``event`` ends an operation. ``view``: its environment, if it is known."""
    end = _nanoseconds(event.at)
    start = end - round(float(event.data[journal.SECONDS]) * _NANOSECONDS)
    trace = _id(32, event.subject, event.kind, str(end))
    failed = event.kind == EventKind.ENVIRONMENT_FAILED
    name = f"eph {event.data[journal.VERB]}"
    root = {
        **_span(trace, _id(16, trace), f"RUN {name}", (start, end)),
        "kind": _SERVER,
        "attributes": _attributes({**_run(event, name, trace, failed), **_environment(view)}),
        "status": _status(failed),
    }
    tasks = [_task(run, trace, number) for number, run in enumerate(steps) if run.seconds is not None]
    own = {"service.name": source.name, "service.version": source.version}
    scope = {"scope": {"name": SCOPE, "version": source.version}, "spans": [root, *tasks]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(own)}, "scopeSpans": [scope]}]}


def _run(event: Event, name: str, trace: str, failed: bool) -> Attributes:
    return {
        "cicd.pipeline.action.name": "RUN",
        "cicd.pipeline.name": name,
        "cicd.pipeline.run.id": trace,
        "cicd.pipeline.result": "failure" if failed else "success",
        "error.type": (event.data.get(journal.STEP, "") or "unknown") if failed else "",
        "eph.target": event.data.get(journal.TARGET, ""),
        "eph.stack": event.subject,
    }


def _environment(view: EnvironmentView | None) -> Attributes:
    if view is None:
        return {}
    return {
        "cicd.pipeline.run.url.full": tab_url(view.page_url, PageTab.LOGS) if view.page_url else "",
        "vcs.repository.name": view.repository,
        "vcs.ref.head.name": view.branch or view.ref_name,
        "vcs.ref.head.revision": view.wanted_commit or view.commit,
        "vcs.change.id": str(view.number) if view.number is not None else "",
        "eph.environment": view.name,
    }


def _task(run: StepRun, trace: str, number: int) -> dict[str, Any]:
    start = round(run.started_at * _NANOSECONDS)
    span = _id(16, trace, run.step, str(number))
    kind = next((kind for name, kind in _TASK_TYPES.items() if run.step.startswith(name)), "deploy")
    found = {
        "cicd.pipeline.task.name": run.step,
        "cicd.pipeline.task.run.id": span,
        "cicd.pipeline.task.type": kind,
        "cicd.pipeline.task.run.result": _TASK_RESULTS.get(run.state, ""),
    }
    return {
        **_span(trace, span, run.step, (start, start + round((run.seconds or 0.0) * _NANOSECONDS))),
        "parentSpanId": _id(16, trace),
        "kind": _INTERNAL,
        "attributes": _attributes(found),
        "status": _status(run.state is StepState.FAILED),
    }


def _span(trace: str, span: str, name: str, times: tuple[int, int]) -> dict[str, Any]:
    """64-bit numbers are text in OTLP's JSON."""
    start, end = times
    return {
        "traceId": trace,
        "spanId": span,
        "name": name,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
    }


def _attributes(found: Attributes) -> list[dict[str, Any]]:
    """Without empty ones."""
    return [{"key": key, "value": {"stringValue": value}} for key, value in found.items() if value]


def _status(failed: bool) -> dict[str, int]:
    return {"code": _ERROR} if failed else {}


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000


def _id(digits: int, *parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:digits]
