"""The tabs of an environment's page. Rows: P6, S4 (roles), Y5."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.views.page_links import PageTab, tab_url
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import FakeEnvironmentService, sample
from programs.steps import StepEvent, StepEventKind

NAME = "shop-gentle-stream-42"
PAGE = f"/e/{NAME}"


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
