"""The API's streams of log lines and events, with a real server and a service in memory (P7)."""

from __future__ import annotations

import json

import httpx
import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import FakeEnvironmentService
from tests.surfaces.api_server import NAME


def read_stream(client: httpx.Client, path: str, count: int, **headers: str) -> list[dict[str, str]]:
    """The first ``count`` events of a stream, with their fields."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if not line and fields:
                found.append(fields)
                fields = {}
                if len(found) == count:
                    return found
            elif line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
    return found


def test_log_lines_stream_ends_with_an_end_event(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_log_lines(NAME, "plain", "two\rparts\nin one: ✓", "data: forged")
    found = read_stream(admin, f"/api/v1/environments/{NAME}/logs/stream", 4)
    lines = [json.loads(item["data"])["line"] for item in found if item["event"] == "line"]
    assert lines == ["plain", "two\rparts\nin one: ✓", "data: forged"]
    assert found[-1]["event"] == "end"


def test_log_stream_ends_when_the_environment_is_destroyed(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_log_lines(NAME, "last words")
    desk.queue_phases(NAME, Phase.DESTROYED)
    found = read_stream(admin, f"/api/v1/environments/{NAME}/logs/stream", 1)
    assert found == [{"event": "end", "data": "{}"}]


def test_event_stream_resumes_where_a_client_was(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    for number in range(3):
        desk.add_event("environment.ready", f"event {number}", NAME)
    assert [item["id"] for item in read_stream(admin, "/api/v1/events/stream", 3)] == ["1", "2", "3"]
    again = read_stream(admin, "/api/v1/events/stream", 1, **{"Last-Event-ID": "2"})
    assert json.loads(again[0]["data"])["message"] == "event 2"


@pytest.mark.parametrize("overrides", [{"stream_limit": 1}])
def test_number_of_streams_is_limited_and_a_closed_one_frees_a_slot(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:
    desk.add_event("environment.ready", "first", NAME)
    with admin.stream("GET", "/api/v1/events/stream") as first:
        reading = first.iter_lines()
        assert next(reading) == ": open"
        refused = admin.get("/api/v1/events/stream")
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "too_many"
    for _ in range(200):
        with admin.stream("GET", "/api/v1/events/stream") as again:
            if again.status_code == 200:
                return
    pytest.fail("the place of a closed stream was never given back")
