"""Test results as Markdown and as a check: a table of suites, counts if a suite wrote a report, and the first names and
last lines of failures. All of it is untrusted text, so all of it goes through ``markdown``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.core.suites import suite_plan
from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.util.formatting import join_words
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.page_links import PageTab, tab_url
from orchestrator.forges.port import Conclusion
from orchestrator.surfaces.reports.markdown import code, fence, text

MAX_SUITES = 20
MAX_LINES = 12
_STATE_EMOJI: Mapping[str, str] = {"passed": "🟢", "failed": "🔴", "skipped": "⚪", "running": "🟡", "waiting": "🟡"}


def section(view: EnvironmentView) -> str:
    """Empty if there are no suites, or no environment for them to test."""
    if not view.tests:
        return ""
    shown = view.tests[:MAX_SUITES]
    counted = any(suite.report for suite in shown)
    head = ["suite", "result", "seconds", *(["cases", "failed", "errors", "skipped"] if counted else [])]
    rows = ["| " + " | ".join(head) + " |", "|" + " --- |" * 2 + " ---: |" * (len(head) - 2)]
    rows += ["| " + " | ".join(_cells(suite, counted)) + " |" for suite in shown]
    more = len(view.tests) - len(shown)
    rows += ["", f"and {more} more"] if more else []
    return "\n\n".join(["**Tests against the URL**", "\n".join(rows), *_failures(view), *_screenshots(view)])


def _cells(suite: SuiteView, counted: bool) -> Iterator[str]:
    yield code(suite.name)
    note = "" if suite.blocking else " (not blocking)"
    detail = f": {text(suite.detail)}" if suite.detail else ""
    yield f"{_STATE_EMOJI.get(suite.state, '')} {suite.state}{note}{detail}"
    yield f"{suite.seconds:.1f}" if suite.state in ("passed", "failed") else ""
    if counted:
        found = suite.report
        yield from (
            (str(count) for count in (found.tests, found.failures, found.errors, found.skipped)) if found else [""] * 4
        )


def _failures(view: EnvironmentView) -> Iterator[str]:
    for suite in view.tests[:MAX_SUITES]:
        if suite.state != "failed":
            continue
        yield f"{code(suite.name)} failed. Full output: {code(f'eph logs {view.name} --suite {suite.name}')}"
        if suite.report and suite.report.names:
            yield "\n".join(f"- {text(name)}" for name in suite.report.names)
        if any(line.strip() for line in suite.tail):
            yield fence(suite.tail[-MAX_LINES:])


def _screenshots(view: EnvironmentView) -> Iterator[str]:
    """A link to them, because they need the same rights as the dashboard."""
    count = sum(suite.screenshots for suite in view.tests)
    if count and view.page_url:
        yield f"[{count} screenshot{'s' if count > 1 else ''}](<{tab_url(view.page_url, PageTab.TESTS)}>)"


def conclusion(view: EnvironmentView, environment_conclusion: Conclusion) -> Conclusion:
    """A success waits for the blocking suites, and becomes a failure if one of them failed."""
    if environment_conclusion is not Conclusion.SUCCESS:
        return environment_conclusion
    if suite_plan.failed_suites(view.tests):
        return Conclusion.FAILURE
    return Conclusion.IN_PROGRESS if suite_plan.pending_suites(view.tests) else environment_conclusion


def title(view: EnvironmentView) -> str:
    """The part of the check's title after the environment's state; empty if tests don't change it."""
    if wrong := suite_plan.failed_suites(view.tests):
        return f"environment is up, tests failed: {join_words(wrong)}"
    if left := suite_plan.pending_suites(view.tests):
        return f"environment is up, tests running: {join_words(left)}"
    return ""
