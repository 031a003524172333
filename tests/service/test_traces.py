"""Traces of operations, received by a stand-in for an OpenTelemetry collector. Row: P7."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.config.settings.groups import TracesSettings
from orchestrator.ledger.port import Event
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service.fake import START, sample
from orchestrator.service.traces.trace_exporter import TraceExporter, TraceExporterDependencies
from orchestrator.service.traces.trace_request import TraceSource
from programs.steps import StepEvent, StepEventKind
from stacks.executors.port import StepPage
from stacks.model import OperationVerb
from tests.worlds.world import World

SOURCE = TraceSource("eph-test", "1.2.3")
BUILD = {"seconds": "12.5", "verb": "up", "target": "local", "step": ""}
VIEW = sample(7)


class Collector:
    """Accepts OTLP's requests in JSON, and refuses what the protocol doesn't allow."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.resources: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def receive(self, path: str, headers: dict[str, str], body: Any) -> int:
        assert (path, headers["content-type"]) == ("/v1/traces", "application/json")
        self.headers.append(headers)
        for group in body["resourceSpans"]:
            self.resources.append(_attributes(group["resource"]))
            for scope in group["scopeSpans"]:
                for span in scope["spans"]:
                    assert len(bytes.fromhex(span["traceId"])) == 16
                    assert len(bytes.fromhex(span["spanId"])) == 8
                    assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
                    assert span["kind"] in (1, 2)
                    self.spans.append(span)
        return self.status


def _attributes(found: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["value"]["stringValue"] for item in found["attributes"]}


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(self.rfile.read(int(headers["content-length"])))
            self.send_response(found.receive(self.path, headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


async def _export(settings: TracesSettings, page: StepPage, use: Callable[[TraceExporter], None]) -> None:
    """Until everything was sent."""
    async with httpx.AsyncClient(trust_env=False) as client:
        tasks = BackgroundTasks(lambda: START, print)
        exporter = TraceExporter(TraceExporterDependencies(settings, SOURCE, client, lambda _: page, tasks))
        exporter.on_cycle(CycleResult(views=(VIEW,), at=START))
        use(exporter)
        while exporter.is_busy:
            await asyncio.sleep(0.01)
        await exporter.close()


def _steps() -> StepPage:
    began = START.timestamp() - 12.5

    def step(name: str, after: float, seconds: float, ok: bool) -> list[StepEvent]:
        at = began + after
        started = StepEvent(StepEventKind.STARTED, name, at)
        return [started, StepEvent(StepEventKind.ENDED, name, at + seconds, seconds=seconds, ok=ok)]

    earlier = step("Build", -3600, 5, False)
    return StepPage((*earlier, *step("Build", 0.5, 8, True), *step("Migrate main", 9, 1, False)))


def _event(kind: str, **more: str) -> Event:
    return Event(kind, START, str(VIEW.ref), "SECRET output", "eph", {**BUILD, **more}, 1)


async def test_an_operation_is_a_pipeline_run_and_its_steps_are_tasks(collector: Collector, tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer sesame\n\nX-Scope: eph\n")
    settings = TracesSettings(endpoint=f"{collector.url}/", headers_file=headers)
    failed = _event("environment.failed", step="Migrate main")
    await _export(settings, _steps(), lambda exporter: exporter.on_event(failed))
    root, build, migrate = collector.spans
    assert collector.resources == [{"service.name": "eph-test", "service.version": "1.2.3"}]
    assert collector.headers[0]["authorization"] == "Bearer sesame"
    assert (root["name"], root["kind"], root["status"]) == ("RUN eph up", 2, {"code": 2})
    assert "parentSpanId" not in root
    assert int(root["endTimeUnixNano"]) - int(root["startTimeUnixNano"]) == 12_500_000_000
    found = _attributes(root)
    wanted = {
        "cicd.pipeline.name": "eph up",
        "cicd.pipeline.result": "failure",
        "error.type": "Migrate main",
        "vcs.repository.name": "demo/shop",
        "vcs.change.id": "7",
        "vcs.ref.head.name": "feature-7",
        "vcs.ref.head.revision": VIEW.wanted_commit,
        "eph.environment": VIEW.name,
    }
    assert wanted.items() <= found.items()
    for task, name, kind, result in (
        (build, "Build", "build", "success"),
        (migrate, "Migrate main", "deploy", "failure"),
    ):
        assert (task["name"], task["parentSpanId"], task["traceId"]) == (name, root["spanId"], root["traceId"])
        more = _attributes(task)
        assert (more["cicd.pipeline.task.type"], more["cicd.pipeline.task.run.result"]) == (kind, result)
    assert "SECRET" not in json.dumps(collector.spans)


async def test_only_the_end_of_an_operation_is_a_trace(collector: Collector) -> None:
    settings = TracesSettings(endpoint=collector.url)
    ready = Event("environment.ready", START, str(VIEW.ref), "It answered.")

    def use(exporter: TraceExporter) -> None:
        exporter.on_event(ready)
        exporter.on_event(_event("environment.destroyed", verb="destroy"))

    await _export(settings, _steps(), use)
    assert [span["name"] for span in collector.spans] == ["RUN eph destroy"]


async def test_a_collector_that_refuses_costs_a_warning(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    collector.status = 503
    with caplog.at_level(logging.WARNING):
        await _export(
            TracesSettings(endpoint=collector.url), StepPage(), lambda it: it.on_event(_event("environment.created"))
        )
    assert "HTTP 503" in caplog.text


async def test_a_whole_eph_sends_its_operations(collector: Collector, tmp_path: Path) -> None:
    """With the events that the journal really records."""
    town = World(folder=tmp_path)
    number = town.open_pull()
    await town.run_for(minutes=1)
    ended = [event for event in town.ledger.events(limit=99) if "seconds" in event.data]
    await town.close()

    def use(exporter: TraceExporter) -> None:
        for event in ended:
            exporter.on_event(event)

    await _export(TracesSettings(endpoint=collector.url), StepPage(), use)
    stacks = {_attributes(span)["eph.stack"] for span in collector.spans}
    assert str(town.ref(number)) in stacks
    assert {_attributes(span)["cicd.pipeline.name"] for span in collector.spans} >= {f"eph {OperationVerb.UP}"}


async def test_without_an_endpoint_nothing_is_sent(collector: Collector) -> None:
    created = _event("environment.created")
    await _export(TracesSettings(), StepPage(), lambda exporter: exporter.on_event(created))
    assert collector.headers == []


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://x", "http://x?y=1"])
def test_an_invalid_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        TracesSettings(endpoint=endpoint)
