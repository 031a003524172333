"""Web pages for people. Rows: P6 (environments, timeline, logs, queue), S3 (a pull request's text is untrusted)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.suites.junit import JUnitReport
from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.suites.suite_results import SuiteState
from orchestrator.core.views.environment_views import LinkView
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.page_links import PageTab
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from programs.runtime_info import ProcessInfo, RuntimeEvent, RuntimeInfo
from programs.steps import StepEvent, StepEventKind

NASTY = "<script>alert(1)</script>"


def test_list_shows_the_state_of_everything(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    failure = FailureView("9" * 40, "build", "The command 'make' ended with 2.", ("no rule",), START, 2, None)
    desk.put_environment(replace(sample(9, Phase.FAILED), failure=failure))
    desk.put_environment(replace(sample(3, Phase.QUEUED, "demo/api"), queue_position=2))
    desk.notes = ("demo/web could not be read: 502.",)
    text = admin.get("/").text
    assert 'href="http://shop-gentle-stream-42.localhost:8080"' in text
    assert "The command &#39;make&#39; ended with 2." in text
    assert "position 2" in text
    assert "demo/web could not be read: 502." in text
    assert "in 72 h" in text
    assert 'http-equiv="refresh"' in text


def test_an_empty_list_says_what_to_do(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.views.clear()
    assert "Add the trigger label to a pull request" in admin.get("/").text


def test_one_environment_has_reasons_events_and_logs(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_event("environment.ready", "It answered.", "shop-gentle-stream-42")
    desk.add_log_lines("shop-gentle-stream-42", "web listening")
    desk.add_log_lines("shop-gentle-stream-42", "pulumi up done", operation=True)
    text = admin.get("/e/shop-gentle-stream-42").text
    for part in ("has the label preview", "It answered.", "Destroy …"):
        assert part in text
    logs = admin.get("/e/shop-gentle-stream-42?tab=logs").text
    for part in ("web listening", "pulumi up done", "Destroy …"):
        assert part in logs
    assert admin.get("/e/eph-shop-9ix/pr-42").status_code == 200


def test_output_of_a_commits_steps_is_on_the_page_as_text(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    """P6, S3: each step with its result, duration and output, which can't inject anything."""
    desk.step_events += [
        StepEvent(StepEventKind.STARTED, "Build", 1.0),
        StepEvent(StepEventKind.LINES, "Build", 1.0, ("compiling", NASTY)),
        StepEvent(StepEventKind.ENDED, "Build", 2.0, seconds=12.34, ok=False),
    ]
    text = admin.get("/e/shop-gentle-stream-42?tab=logs").text
    for part in ('id="output"', "compiling", "12.3 s", "failed", "&lt;script&gt;"):
        assert part in text
    assert NASTY not in text
    assert "compiling" not in admin.get("/e/shop-gentle-stream-42?tab=logs&commit=bbbb").text
    assert admin.get(f"/e/shop-gentle-stream-42?commit={NASTY}").status_code == 422


def test_pods_and_events_are_on_the_page_and_a_failing_target_hides_nothing_else(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:
    pod = ProcessInfo("web-1", "web", "failing", f"exit status 3 {NASTY}", 2, START, "shop:1")
    desk.runtime_info_result = RuntimeInfo(
        (pod,), (RuntimeEvent(START, "pod web-1", "its health check fails", bad=True, times=7),)
    )
    page = "/e/shop-gentle-stream-42?tab=resources"
    text = admin.get(page).text
    for part in ("web-1", "exit status 3 &lt;script&gt;", "its health check fails", "7 times"):
        assert part in text
    uncounted = ProcessInfo("api-1", "api", "running", "", None, START, cpu_seconds=12.34, memory=3 * 2**20)
    desk.runtime_info_result = RuntimeInfo((uncounted,))
    text = admin.get(page).text
    assert all(part in text for part in ("api-1", "12.3 s", "3 Mi"))
    desk.unavailable_reason = "no answer"
    assert "no answer" in admin.get(page).text
    assert "has the label preview" in admin.get("/e/shop-gentle-stream-42").text


def test_destroy_asks_for_confirmation(admin: httpx.Client) -> None:
    text = admin.get("/e/shop-gentle-stream-42", params={"confirm": 1}).text
    assert "Destroy</button>" in text
    assert 'http-equiv="refresh"' not in text


def test_restart_is_offered_where_something_runs(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    """P6"""
    page = "/e/shop-gentle-stream-42"
    assert f'action="{page}/restart"' in admin.get(page).text
    assert admin.post(f"{page}/restart", data={"service": "web"}, follow_redirects=False).status_code == 303
    assert desk.calls[-1] == ("restart", "shop-gentle-stream-42", "admin-name", "web")
    desk.put_environment(sample(42, Phase.ASLEEP))
    assert f'action="{page}/restart"' not in admin.get(page).text


def test_variables_are_on_the_page_of_developers_and_secrets_are_masked(
    admin: httpx.Client, as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    """Y5, S4"""
    values = {"LOG_LEVEL": VariableValue("<debug>"), "STRIPE_KEY": VariableValue("sk-sesame-open", secret=True)}
    desk.held_variables["shop-gentle-stream-42"] = values
    text = admin.get("/e/shop-gentle-stream-42?tab=variables").text
    assert "&lt;debug&gt;" in text
    assert "STRIPE_KEY" in text
    assert "sesame" not in text
    assert "STRIPE_KEY" not in as_role("viewer").get("/e/shop-gentle-stream-42?tab=variables").text


def test_databases_can_be_reset_by_developers(
    admin: httpx.Client, as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    """D4"""
    page = "/e/shop-gentle-stream-42"
    assert f'action="{page}/databases/reset"' in admin.get(f"{page}?tab=database").text
    assert "databases/reset" not in as_role("viewer").get(f"{page}?tab=database").text
    assert as_role("viewer").post(f"{page}/databases/reset", data={"database": "main"}).status_code == 403
    assert admin.post(f"{page}/databases/reset", data={"database": "main"}, follow_redirects=False).status_code == 303
    assert desk.calls[-1] == ("reset_database", "shop-gentle-stream-42", "admin-name", "main")


def test_rejection_is_shown_on_the_page(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.refusal = "It is being destroyed."
    answer = admin.post("/e/shop-gentle-stream-42/up")
    assert answer.status_code == 409
    assert "It is being destroyed." in answer.text


def test_unknown_name_suggests_one(admin: httpx.Client) -> None:
    answer = admin.get("/e/shop-gentle-stream-4")
    assert answer.status_code == 404
    assert "shop-gentle-stream-42" in answer.text


def test_text_of_a_pull_request_stays_text(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    nasty = replace(
        sample(42),
        title=NASTY,
        author=NASTY,
        branch=NASTY,
        reasons=(NASTY,),
        problems=(NASTY,),
        url="javascript:alert(1)",
        pull_url="javascript:alert(1)",
        urls={NASTY: "javascript:alert(1)"},
        links=(LinkView(NASTY, "javascript:alert(1)"), LinkView(NASTY, "https://x.example.com/")),
        notices=(NASTY,),
        progress=NASTY,
    )
    desk.put_environment(nasty)
    desk.add_log_lines("shop-gentle-stream-42", NASTY, "</pre>" + NASTY)
    desk.add_event("environment.failed", NASTY, "shop-gentle-stream-42", NASTY)
    tabs = [f"/e/shop-gentle-stream-42?tab={tab}&q={NASTY}" for tab in PageTab]
    for path in ("/", "/activity", "/activity?q=" + NASTY, "/?q=" + NASTY, *tabs, f"/e/{NASTY}", "/removed", "/server"):
        text = admin.get(path).text
        assert text.count("<script") == text.count('<script src="/dashboard.js" defer></script>') == 1, path
        assert 'href="javascript' not in text, path


def test_links_of_eph_yaml_are_on_the_page_and_in_the_api(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    """P14"""
    desk.put_environment(replace(sample(42), links=(LinkView("Admin", "http://shop.localhost/admin"),)))
    assert 'href="http://shop.localhost/admin" rel="noreferrer">Admin</a>' in admin.get("/e/shop-gentle-stream-42").text
    (found,) = [item for item in admin.get("/api/v1/environments").json()["items"] if item["number"] == 42]
    assert found["links"] == [{"name": "Admin", "url": "http://shop.localhost/admin"}]


def test_every_response_forbids_foreign_scripts_and_framing(admin: httpx.Client) -> None:
    for path in ("/", "/style.css", "/dashboard.js", "/api/v1/status", "/api/v1/nothing", "/healthz"):
        headers = admin.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src 'self';" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "noindex" in headers["x-robots-tag"]


def test_suites_have_a_table(admin: httpx.Client, desk: FakeEnvironmentService) -> None:  # P4
    failed = SuiteView(
        "browser", "browser", SuiteState.FAILED, seconds=9.0, detail="exit status 1", tail=(NASTY,),
        report=JUnitReport(3, 1, 1, 0, (NASTY,)),
    )  # fmt: skip
    desk.put_environment(replace(sample(42), tests=(SuiteView("unit", "integration", SuiteState.WAITING), failed)))
    text = admin.get("/e/shop-gentle-stream-42?tab=tests").text
    for part in ("unit", "waiting", "browser", "exit status 1", "9.0", "<td>2</td>", "&lt;script&gt;"):
        assert part in text
    assert NASTY not in text


def test_list_is_filtered_by_its_address(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.put_environment(sample(3, Phase.QUEUED, "demo/api"))
    assert "shop-gentle-stream-42" not in admin.get("/", params={"repository": "demo/api"}).text
    assert "shop-gentle-stream-42" in admin.get("/", params={"group": "ready"}).text
    assert "No environment matches" in admin.get("/", params={"q": "nothing like this"}).text
    for odd in ({"group": "odd"}, {"order": "odd"}, {"page": "-1"}, {"page": "9" * 50}, {"page": "²"}):
        assert admin.get("/", params=odd).status_code == 200


def test_activity_shows_what_happened_to_everything(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_event("environment.destroyed", "It was merged.", "shop-gentle-stream-7")
    desk.add_event("intent.retry", "Someone asked.", "shop-gentle-stream-42", "grace")
    text = admin.get("/activity").text
    assert text.index("intent.retry") < text.index("environment.destroyed"), "the newest first"
    assert "environment.destroyed" not in admin.get("/activity", params={"people": 1}).text
    assert "intent.retry" not in admin.get("/activity", params={"q": "MERGED"}).text


def test_removed_environment_keeps_its_history(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_event("environment.destroyed", "It was merged.", "eph-shop-9ix/pr-42")
    desk.views.clear()
    answer = admin.get("/e/eph-shop-9ix/pr-42")
    assert answer.status_code == 404
    assert "It was merged." in answer.text


def test_problem_of_a_preview_is_reported_by_developers(
    as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    """P13: the link's path is shown, not trusted, and nothing is posted by following it."""
    developer, name = as_role("developer"), "shop-gentle-stream-42"
    text = developer.get("/report", params={"environment": name, "path": f"/cart{NASTY}"}).text
    assert NASTY not in text
    assert "/cart&lt;script&gt;" in text
    assert desk.calls == []
    sent = {"environment": name, "path": "/cart", "text": "The total is wrong."}
    assert developer.post("/report", data=sent).status_code == 200
    assert desk.calls == [("report_problem", name, "developer-name", "/cart", "The total is wrong.")]
    assert as_role("viewer").post("/report", data=sent).status_code == 403
    assert as_role("nobody").post("/report", data=sent).status_code == 401
    assert 'id="token"' in as_role("nobody").get("/report", params={"environment": name}).text
    assert len(desk.calls) == 1
    desk.refusal = "The comment wasn't posted."
    refused = developer.post("/report", data=sent)
    assert (refused.status_code, "The total is wrong." in refused.text) == (409, True)
