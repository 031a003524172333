"""Test results in the comment and the check: P4, P2, S3."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.suites.junit import JUnitReport
from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.suites.suite_results import SuiteState
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Conclusion
from orchestrator.service.fake import START, sample
from orchestrator.surfaces.reports import check_runs, comment, suite_table

PASSED = SuiteView("integration", "integration", SuiteState.PASSED, seconds=1.25, report=JUnitReport(12, 0, 0, 1))
FAILED = SuiteView(
    "browser",
    "browser",
    SuiteState.FAILED,
    seconds=9.0,
    detail="exit status 1",
    tail=("Error: no tea", "```", "@everyone"),
    report=JUnitReport(3, 1, 1, 0, ("cart | <b>tea</b> @ann #1",)),
)
RUNS = SuiteView("scan", "security", SuiteState.RUNNING, since=START)


def ready(*tests: SuiteView) -> EnvironmentView:
    return replace(sample(42), tests=tests)


def test_table_of_suites_has_counts_names_and_last_lines() -> None:
    body = comment.render(ready(PASSED, FAILED, replace(RUNS, blocking=False)), START)
    assert "**Tests against the URL**" in body
    assert "| suite | result | seconds | cases | failed | errors | skipped |" in body
    assert "| `integration` | 🟢 passed | 1.2 | 12 | 0 | 0 | 1 |" in body
    assert "| `browser` | 🔴 failed: exit status 1 | 9.0 | 3 | 1 | 1 | 0 |" in body
    assert "| `scan` | 🟡 running (not blocking) |  |  |  |  |  |" in body
    assert "`eph logs shop-gentle-stream-42 --suite browser`" in body


def test_output_of_a_suite_is_neither_markup_nor_a_mention() -> None:
    body = suite_table.section(ready(FAILED))
    assert "@ann" not in body
    assert "<b>" not in body
    assert " #1" not in body
    assert "````text\nError: no tea\n```\n@everyone\n````" in body
    assert all(line.count("|") == 8 for line in body.splitlines() if line.startswith("|")), "no cell breaks the table"


def test_without_reports_there_are_no_counts_and_without_suites_no_table() -> None:
    assert "cases" not in suite_table.section(ready(RUNS))
    assert suite_table.section(ready()) == ""


def test_check_waits_for_blocking_suites_and_is_red_if_one_failed() -> None:
    assert check_runs.report(ready(PASSED), START).conclusion is Conclusion.SUCCESS
    waiting = check_runs.report(ready(PASSED, RUNS), START)
    assert waiting.conclusion is Conclusion.IN_PROGRESS
    assert "tests running: scan" in waiting.title
    red = check_runs.report(ready(PASSED, FAILED, RUNS), START)
    assert red.conclusion is Conclusion.FAILURE
    assert "environment is up, tests failed: browser" in red.title
    lenient = [replace(each, blocking=False) for each in (FAILED, RUNS)]
    assert check_runs.report(ready(PASSED, *lenient), START).conclusion is Conclusion.SUCCESS


def test_failure_of_the_environment_itself_stays_one() -> None:
    view = replace(ready(PASSED), phase=Phase.UNHEALTHY)
    assert check_runs.report(view, START).conclusion is Conclusion.FAILURE


def test_comment_links_to_screenshots_on_the_dashboard() -> None:
    assert "screenshot" not in suite_table.section(ready(PASSED, FAILED))
    view = replace(ready(PASSED, replace(FAILED, screenshots=2)), page_url="http://eph.test/e/shop")
    assert "[2 screenshots](<http://eph.test/e/shop?tab=tests>)" in suite_table.section(view)
