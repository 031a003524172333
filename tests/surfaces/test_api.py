"""The API's contract, with a real server and a service in memory. Rows: P7 (REST, OpenAPI, paging, events, metrics)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest

from orchestrator.auth.identities import Role
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from programs.exec_requests import TerminalRequest, TerminalSize
from tests.surfaces.api_server import NAME


def test_an_environment_is_found_by_any_of_its_names(admin: httpx.Client) -> None:
    for name in (NAME, quote("demo/shop#42", safe=""), "demo/shop%2342", "eph-shop-9ix/pr-42"):
        answer = admin.get(f"/api/v1/environments/{name}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == NAME


def test_environment_has_everything_that_the_view_has(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    found = admin.get(f"/api/v1/environments/{NAME}").json()
    view = desk.environment(NAME)
    assert found["ref"] == "eph-shop-9ix/pr-42"
    assert found["number"] == 42
    assert found["phase"] == "ready"
    assert found["url"] == view.url
    assert found["commit"] == view.commit
    assert found["expires_at"].startswith("2026-03-07T12:00:00")


def test_pages_have_no_gaps_and_no_repeats(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    for number in range(100, 125):
        desk.put_environment(sample(number))
    seen: list[str] = []
    cursor = ""
    while True:
        page = admin.get("/api/v1/environments", params={"limit": 7, "cursor": cursor}).json()
        assert page["total"] == 29
        seen += [item["ref"] for item in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 29


def test_environment_removed_between_two_pages_hides_no_other(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:
    first = admin.get("/api/v1/environments", params={"limit": 2}).json()
    del desk.views[first["items"][0]["ref"]]
    rest = admin.get("/api/v1/environments", params={"limit": 100, "cursor": first["next"]}).json()
    assert [item["number"] for item in rest["items"]] == [9, 42]


def test_filters_by_repository_and_phases(admin: httpx.Client) -> None:
    def numbers(**params: str | list[str]) -> list[int]:
        return [item["number"] for item in admin.get("/api/v1/environments", params=params).json()["items"]]

    assert numbers(repository="demo/api") == [3]
    assert numbers(phase="failed") == [9]
    assert numbers(phase=["failed", "queued"]) == [3, 9]
    assert numbers(repository="other/one") == []


def test_why_has_sentences_and_facts(admin: httpx.Client) -> None:
    found = admin.get("/api/v1/environments/shop-gentle-stream-9/why").json()
    assert found["sentences"][0] == "The pull request #9 is open and has the label preview."
    facts = {fact["name"]: fact["value"] for fact in found["facts"]}
    assert facts["pull request"] == "demo/shop#9"
    assert facts["stack"] == "eph-shop-9ix/pr-9"
    assert "live commit" not in facts, "nothing runs, so there is no such fact"


def test_logs_of_services_and_of_the_operation(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_log_lines(NAME, "web one", "worker two", "web three")
    desk.add_log_lines(NAME, "pulumi up", operation=True)
    base = f"/api/v1/environments/{NAME}/logs"
    assert admin.get(base).json()["lines"] == ["web one", "worker two", "web three"]
    assert admin.get(base, params={"service": "web", "lines": 1}).json()["lines"] == ["web three"]
    assert admin.get(base, params={"operation": True}).json()["lines"] == ["pulumi up"]


def test_actions_are_recorded_with_the_callers_name(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    assert admin.post(f"/api/v1/environments/{NAME}/up").json()["phase"] == "creating"
    assert admin.post(f"/api/v1/environments/{NAME}/down").status_code == 202
    extended = admin.post(f"/api/v1/environments/{NAME}/extend", json={"seconds": 3600}).json()
    assert extended["expires_at"].startswith((START + timedelta(hours=1)).isoformat()[:19])
    assert admin.post("/api/v1/wake").status_code == 202
    assert desk.calls == [
        ("up", NAME, "admin-name"),
        ("down", NAME, "admin-name"),
        ("extend", NAME, "admin-name", "3600"),
        ("wake",),
    ]


@pytest.mark.parametrize("seconds", [0, -1])
def test_an_extension_of_zero_or_below_is_refused(admin: httpx.Client, seconds: int) -> None:  # M1
    assert admin.post(f"/api/v1/environments/{NAME}/extend", json={"seconds": seconds}).status_code == 422


@pytest.mark.parametrize(
    ("role", "overrides", "status"),
    [
        ("developer", {}, 422),
        ("viewer", {}, 403),
        ("nobody", {}, 401),
        ("developer", {"exec_role": Role.ADMIN}, 403),
        ("admin", {"exec_role": Role.ADMIN}, 422),
        ("admin", {"exec_role": None}, 403),
    ],
)
def test_running_commands_is_for_the_role_in_the_settings(
    as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService, role: str, status: int
) -> None:
    """P11, S1: input for no session shows the order of the checks: the role first."""
    name, client = "shop-gentle-stream-42", as_role(role)
    if status != 422:
        answer = client.post(f"/api/v1/environments/{name}/exec", json={"command": ["ls"]})
        assert (answer.status_code, desk.calls) == (status, [])
    answer = client.post("/api/v1/exec/session-9/input", json={"data": "no base64!"})
    assert answer.status_code == status
    size = client.post("/api/v1/exec/session-9/size", json={"rows": 20, "columns": 60})
    assert size.status_code == (404 if status == 422 else status)


def test_a_terminal_is_requested_and_resized(admin: httpx.Client, desk: FakeEnvironmentService) -> None:  # P5
    path = "/api/v1/environments/shop-gentle-stream-42/exec"
    for wrong in ({"rows": 0}, {"columns": 5000}, {"type": "xterm\n"}, {"type": "$(reboot)"}):
        assert admin.post(path, json={"command": ["sh"], "terminal": wrong}).status_code == 422
    terminal = {"rows": 50, "columns": 132, "type": "screen-256color"}
    with admin.stream("POST", path, json={"command": ["sh"], "terminal": terminal}) as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line == "event: started")
        assert desk.exec_terminal == TerminalRequest(TerminalSize(50, 132), "screen-256color")
        assert admin.post("/api/v1/exec/session-1/size", json={"rows": 20, "columns": 60}).status_code == 204
        admin.post("/api/v1/exec/session-1/input", json={"end": True})
        assert 'data: {"code":0}' in list(lines)
    assert desk.calls[1] == ("resize", "admin-name", "20x60")


def test_a_refused_command_is_an_error_and_no_stream(admin: httpx.Client, desk: FakeEnvironmentService) -> None:  # P11
    desk.refusal = "Nothing of it runs."
    answer = admin.post("/api/v1/environments/shop-gentle-stream-42/exec", json={"command": ["ls"]})
    assert (answer.status_code, answer.json()["error"]["message"]) == (409, "Nothing of it runs.")
    assert admin.post("/api/v1/environments/lost/exec", json={"command": ["ls"]}).status_code == 404
    assert admin.post("/api/v1/environments/shop-gentle-stream-42/exec", json={"command": []}).status_code == 422


def test_sweep_lists_orphans_and_removes_them_unless_dry_run(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.orphans = ["The database eph_old belongs to no pull request."]
    assert admin.post("/api/v1/sweep", params={"dry_run": True}).json() == {"dry_run": True, "found": desk.orphans}
    assert len(desk.orphans) == 1
    assert len(admin.post("/api/v1/sweep").json()["found"]) == 1
    assert desk.orphans == []


def test_held_plan_is_approved_once(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.held_plans.add("abcdef0123")
    assert "abcdef0123" in admin.post("/api/v1/plans/abcdef0123/approve").json()["message"]
    again = admin.post("/api/v1/plans/abcdef0123/approve")
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "refused"
    assert admin.post("/api/v1/plans/NOT-A-DIGEST/approve").status_code == 422


def test_events_after_a_position_and_the_newest(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    for number in range(10):
        desk.add_event("environment.ready", f"event {number}", NAME if number % 2 else "")
    page = admin.get("/api/v1/events", params={"after": 3, "limit": 2}).json()
    assert [item["id"] for item in page["items"]] == [4, 5]
    assert page["next"] == 5
    newest = admin.get("/api/v1/events", params={"limit": 2, "newest": True}).json()
    assert [item["id"] for item in newest["items"]] == [9, 10]
    of_one = admin.get("/api/v1/events", params={"environment": NAME}).json()
    assert [item["subject"] for item in of_one["items"]] == ["eph-shop-9ix/pr-42"] * 5
    assert admin.get("/api/v1/events", params={"after": 10}).json() == {"items": [], "next": 10}


def test_deleted_environment_still_has_its_history(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_event("environment.destroyed", "Gone.", NAME)
    del desk.views["eph-shop-9ix/pr-42"]
    found = admin.get("/api/v1/events", params={"environment": "eph-shop-9ix/pr-42"}).json()["items"]
    assert [item["message"] for item in found] == ["Gone."]


def test_status_reports_what_could_not_be_read(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.notes = ("demo/shop could not be read: 502.",)
    found = admin.get("/api/v1/status").json()
    assert found["complete"] is False
    assert found["notes"] == list(desk.notes)
    assert (found["environments"], found["queued"]) == (4, 1)


def test_probes(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    assert admin.get("/healthz").status_code == 200
    assert admin.get("/readyz").status_code == 200
    desk.last_cycle = START - timedelta(minutes=10)
    assert "600 s ago" in admin.get("/readyz").json()["status"]
    desk.last_cycle = None
    assert admin.get("/readyz").status_code == 503


def test_metrics_count_environments_by_phase_at_the_scrape(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    def scrape() -> str:
        return admin.get("/metrics").text

    assert 'eph_environments{phase="ready"} 2.0' in scrape()
    assert 'eph_environments{phase="held"} 0.0' in scrape()
    desk.put_environment(sample(77, Phase.HELD))
    assert 'eph_environments{phase="held"} 1.0' in scrape()
    assert "eph_queue_length 1.0" in scrape()


def test_openapi_lists_every_path_and_no_page_loads_from_a_cdn(admin: httpx.Client) -> None:
    document = admin.get("/openapi.json").json()
    assert document["info"]["version"] == "1.2.3"
    assert set(document["paths"]) == {
        "/api/v1/deploys",
        "/api/v1/deploys/uploads",
        "/api/v1/deploys/{deploy_id}",
        "/api/v1/versions",
        "/api/v1/environments",
        "/api/v1/environments/{name}",
        "/api/v1/environments/{name}/down",
        "/api/v1/environments/{name}/databases/reset",
        "/api/v1/environments/{name}/env",
        "/api/v1/environments/{name}/exec",
        "/api/v1/environments/{name}/runs",
        "/api/v1/exec/{session}/input",
        "/api/v1/exec/{session}/size",
        "/api/v1/environments/{name}/extend",
        "/api/v1/environments/{name}/restart",
        "/api/v1/environments/{name}/sleep",
        "/api/v1/environments/{name}/steps",
        "/api/v1/environments/{name}/suites/{suite}/screenshots",
        "/api/v1/environments/{name}/suites/{suite}/screenshots/{file}",
        "/api/v1/environments/{name}/wake",
        "/api/v1/environments/{name}/logs",
        "/api/v1/environments/{name}/inside",
        "/api/v1/environments/{name}/logs/stream",
        "/api/v1/environments/{name}/up",
        "/api/v1/environments/{name}/approve",
        "/api/v1/environments/{name}/keep",
        "/api/v1/environments/{name}/unkeep",
        "/api/v1/environments/{name}/why",
        "/api/v1/environments/{name}/cost",
        "/api/v1/build-caches",
        "/api/v1/costs",
        "/api/v1/prices",
        "/api/v1/prices/refresh",
        "/api/v1/events",
        "/api/v1/events/stream",
        "/api/v1/plans/{digest}/approve",
        "/api/v1/status",
        "/api/v1/audit",
        "/api/v1/sweep",
        "/api/v1/pause",
        "/api/v1/resume",
        "/api/v1/wake",
        "/api/v1/webhooks/github",
        "/api/v1/webhooks/github/test",
        "/healthz",
        "/metrics",
        "/readyz",
        "/api/v1/whoami",
    }
    assert admin.get("/docs").status_code == 404
    assert document["paths"]["/api/v1/sweep"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]
