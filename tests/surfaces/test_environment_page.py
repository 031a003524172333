"""The tabs of an environment's page. Rows: P6, S4 (roles), Y5."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.suites.suite_results import SuiteState
from orchestrator.core.views.page_links import PageTab, line_url, tab_url
from orchestrator.core.views.phases import Phase
from orchestrator.runtime.suites import screenshot_files
from orchestrator.service.fake import FakeEnvironmentService, sample
from programs import steps
from programs.screenshots import Picture, Screenshot, Screenshots
from programs.steps import StepEvent, StepEventKind
from tests.pictures import png

NAME = "shop-gentle-stream-42"
PAGE = f"/e/{NAME}"
LOGS = f"{PAGE}?tab=logs"


def _tabs(text: str) -> dict[str, str]:
    """The links of the tab bar by name."""
    bar = text.partition('aria-label="Tabs"')[2].partition("</nav>")[0]
    return {name.lower(): link for link, name in re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', bar)}


@pytest.mark.parametrize("tab", PageTab)
def test_each_tab_has_its_own_address_and_links_to_the_others(admin: httpx.Client, tab: PageTab) -> None:
    text = admin.get(tab_url(PAGE, tab)).text
    assert _tabs(text) == {other.value: tab_url(PAGE, other) for other in PageTab}
    assert text.count('aria-current="page"') == 1
    assert f'aria-current="page">{tab.value.capitalize()}<' in text


def test_a_name_with_a_slash_has_tabs(admin: httpx.Client) -> None:
    assert 'aria-current="page">Logs<' in admin.get("/e/eph-shop-9ix/pr-42?tab=logs").text


def test_an_unknown_tab_is_the_overview(admin: httpx.Client) -> None:
    assert 'aria-current="page">Overview<' in admin.get(f"{PAGE}?tab=later").text


def test_viewers_have_no_tabs_with_values(as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService) -> None:
    desk.held_variables[NAME] = {"LOG_LEVEL": VariableValue("debug")}
    viewer = as_role("viewer")
    assert set(_tabs(viewer.get(PAGE).text)) == set(PageTab) - {PageTab.DATABASE, PageTab.VARIABLES}
    text = viewer.get(f"{PAGE}?tab=variables").text
    assert "LOG_LEVEL" not in text
    assert 'aria-current="page">Overview<' in text


def test_logs_are_searched_and_downloaded(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.step_events += [
        StepEvent(StepEventKind.STARTED, "Build", 1.0),
        StepEvent(StepEventKind.LINES, "Build", 1.0, ("compiling", "error: no rule")),
        StepEvent(StepEventKind.ENDED, "Build", 2.0, seconds=1.0, ok=False),
    ]
    desk.add_log_lines(NAME, "web listening", "web ERROR 500")
    text = admin.get(f"{PAGE}?tab=logs&q=error").text
    for part, is_shown in (
        ("error: no rule", True),
        ("web ERROR 500", True),
        ("compiling", False),
        ("listening", False),
    ):
        assert (part in text) == is_shown, part
    assert admin.get("/e/nothing/logs.txt").status_code == 404
    answer = admin.get(f"{PAGE}/logs.txt")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"].startswith("text/plain")
    assert {"compiling", "web ERROR 500"} <= {line.rpartition("| ")[2] for line in answer.text.splitlines()}


def _build(desk: FakeEnvironmentService, count: int, *, ok: bool = False) -> str:
    """Adds a build that printed this many lines. Returns the id of its run."""
    at = float(len(desk.step_events))
    desk.step_events += [
        StepEvent(StepEventKind.STARTED, "Build", at),
        StepEvent(StepEventKind.LINES, "Build", at, tuple(f"line {number} of {at}" for number in range(1, count + 1))),
        StepEvent(StepEventKind.ENDED, "Build", at, seconds=1.0, ok=ok),
    ]
    return steps.runs(desk.step_events, still_running=False)[-1].id


def _marked(text: str) -> list[str]:
    """The marked lines, and whether the browser finds the first one."""
    found = re.findall(r'<span class="line marked"( id="line")?>.*?</a>(.*?)\n</span>', text)
    assert [bool(anchor) for anchor, _ in found] == [index == 0 for index in range(len(found))]
    return [line for _, line in found]


def test_each_line_of_a_step_has_a_link_that_marks_it(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    first, second = _build(desk, 3), _build(desk, 2000, ok=True)
    text = admin.get(f"{PAGE}?tab=logs").text
    assert _marked(text) == []
    assert "line 1500 of 3.0" not in text  # only the end of a long log
    link = html.unescape(next(iter(re.findall(rf'href="([^"]*line={first}%3A2#line)"', text))))
    text = admin.get(link).text
    assert _marked(text) == ["line 2 of 0.0"]
    assert re.search(rf'id="step-{first}" open', text)
    assert not re.search(rf'id="step-{second}" open', text)
    commit = desk.step_commit
    for lines, shown in (("700", [700]), ("700-702", [700, 701, 702]), ("2000", [2000]), ("1999-2400", [1999, 2000])):
        text = admin.get(line_url(PAGE, commit, f"{second}:{lines}")).text
        assert _marked(text) == [f"line {number} of 3.0" for number in shown]
        assert re.search(rf'id="step-{second}" open', text)
    earlier = re.search(r'href="([^"]*)">Earlier lines', admin.get(line_url(PAGE, commit, f"{second}:700")).text)
    assert earlier is not None
    assert _marked(admin.get(html.unescape(earlier[1])).text)[0].startswith("line ")


def test_a_link_to_a_step_marks_the_end_of_its_failed_run(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    _build(desk, 3)
    failed = _build(desk, 5)
    _build(desk, 7, ok=True)
    text = admin.get(line_url(PAGE, "", "Build")).text
    assert _marked(text) == ["line 5 of 3.0"]
    assert re.search(rf'id="step-{failed}" open', text)


def test_a_step_without_output_can_be_linked(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    failed = _build(desk, 0)
    text = admin.get(line_url(PAGE, "", "Build")).text
    assert re.search(rf'id="step-{failed}" open.*?<pre[^>]* id="line">', text, re.DOTALL)
    assert 'role="status"' not in text


def test_links_to_lines_of_services_survive_new_lines(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    for number in range(5):
        desk.add_log_lines(NAME, f"web request {number}")
    link = next(
        html.unescape(link)
        for link, line in re.findall(r'<a href="([^"]*)" data-position="services[^>]*>#</a>(.*)', admin.get(LOGS).text)
        if line == "web request 3"
    )
    desk.add_log_lines(NAME, *(f"web later {number}" for number in range(1000)))
    assert "web request 3" not in admin.get(LOGS).text
    assert _marked(admin.get(link).text) == ["web request 3"]
    desk.add_log_lines(NAME, *(f"web later {number}" for number in range(6000)))
    text = admin.get(link).text
    assert _marked(text) == []
    assert 'role="status"' in text


@pytest.mark.parametrize("line", ["ffffffff:1", "services:0123456789ab", "Build", "operation:0", "é:1", "a" * 200])
def test_a_link_to_a_line_that_is_unknown_shows_the_logs(admin: httpx.Client, line: str) -> None:
    answer = admin.get(line_url(PAGE, "", line))
    assert (answer.status_code, _marked(answer.text)) == (200, [])


def test_lines_at_a_position_are_downloaded(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    run = _build(desk, 9)
    desk.add_log_lines(NAME, "web listening")
    whole = admin.get(f"{PAGE}/logs.txt?commit={desk.step_commit}").text.splitlines()
    assert whole == [f"Build | line {number} of 0.0" for number in range(1, 10)]
    for line, count in ((f"{run}:4-6", 3), (f"{run}:4", 1), ("Build", 1), ("ffffffff:1", 0)):
        found = admin.get(f"{PAGE}/logs.txt", params={"line": line}).text.splitlines()
        assert len([each for each in found if each]) == count


def test_a_position_survives_the_sign_in(as_role: Callable[[str], httpx.Client]) -> None:
    text = as_role("nobody").get(line_url(PAGE, "c0ffee", "Migrate main")).text
    assert f'value="{html.escape(line_url(PAGE, "c0ffee", "Migrate main"))}"' in text


def test_screenshots_are_shown_as_pictures_and_nothing_else(
    admin: httpx.Client, as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService, tmp_path: Path
) -> None:
    """P4, S3: they come from the pull request's code, and from the dashboard's own origin."""
    desk.suite_folder = tmp_path
    suite = SuiteView("browser", "browser", SuiteState.FAILED, screenshots=1)
    desk.put_environment(view := replace(sample(42), tests=(suite,)))
    name = "<script>alert(1)</script>.png"
    found = Screenshots((Screenshot(name, Picture("png", 2, 2), png()),), omitted=2)
    screenshot_files.save(tmp_path, "browser", view.commit, found, ["browser"])
    text = admin.get(f"{PAGE}?tab=tests").text
    path = f"{PAGE}/suites/browser/screenshots/0.png"
    assert f'<img src="{path}" width="2" height="2"' in text
    assert name not in text
    assert html.escape(name) in text
    api = f"/api/v1/environments/{NAME}/suites/browser/screenshots"
    listed = admin.get(api).json()
    assert (listed["files"][0]["name"], listed["omitted"]) == (name, 2)
    for address in (path, f"{api}/0.png"):
        answer = admin.get(address)
        assert (answer.status_code, answer.content) == (200, png())
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert as_role("nobody").get(address).content != png()
        missing = address.replace("0.png", "1.png")
        assert admin.get(missing).status_code == 404
        assert admin.get(address.replace("0.png", "index.json")).status_code == 404


def test_logs_need_a_sign_in_and_lead_back_to_the_tab(as_role: Callable[[str], httpx.Client]) -> None:
    nobody = as_role("nobody")
    assert f'value="{PAGE}?tab=logs"' in nobody.get(f"{PAGE}?tab=logs").text
    assert "listening" not in nobody.get(f"{PAGE}/logs.txt").text


def test_variables_are_set_and_unset(
    admin: httpx.Client, as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    form = {"name": "API_KEY", "value": "sesame", "secret": "1"}
    assert as_role("viewer").post(f"{PAGE}/variables", data=form).status_code == 403
    answer = admin.post(f"{PAGE}/variables", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?tab=variables")
    assert desk.held_variables[NAME] == {"API_KEY": VariableValue("sesame", secret=True)}
    text = admin.get(f"{PAGE}?tab=variables").text
    assert ("API_KEY" in text, "sesame" in text) == (True, False)
    admin.post(f"{PAGE}/variables/unset", data={"name": "API_KEY"})
    assert desk.held_variables[NAME] == {}
    desk.refusal = "It is being destroyed."
    refused = admin.post(f"{PAGE}/variables", data=form)
    assert refused.status_code == 409
    assert "It is being destroyed." in refused.text
    assert 'aria-current="page">Variables<' in refused.text


def test_a_tab_reads_only_what_it_shows(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.unavailable_reason = "the target doesn't respond"
    for tab in PageTab:
        assert (desk.unavailable_reason.split()[-1] in admin.get(tab_url(PAGE, tab)).text) == (tab is PageTab.RESOURCES)


def test_history_links_to_the_output_of_earlier_commits(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.add_event("environment.ready", "It answered.", NAME)
    desk.put_environment(replace(sample(42), commit="c" * 40))
    text = admin.get(f"{PAGE}?tab=history").text
    assert "It answered." in text
    assert f'href="{PAGE}?tab=logs&amp;commit={"c" * 12}#output"' in text


def test_a_page_with_an_open_question_doesnt_reload(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    assert 'data-refresh="2"' in admin.get(f"{PAGE}?tab=logs").text
    assert 'data-refresh="0"' in admin.get(f"{PAGE}?tab=logs&confirm=1").text
    assert 'data-refresh="0"' in admin.get(f"{PAGE}?tab=variables").text
    desk.put_environment(sample(42, Phase.QUEUED))
    assert admin.get(f"{PAGE}?tab=cost").status_code == 200
