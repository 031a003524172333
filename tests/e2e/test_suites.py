"""Tests against the URL, on a real Eph: the demo's shop, whose page a real browser opens (P4)."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.e2e import site as sites
from tests.e2e.site import ROOT, Site

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

DEMO = ROOT / "orchestrator" / "demo" / "shop"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BREAK = "import sys\nprint('no apples today')\nsys.exit(1)\n"


def shop_files() -> dict[str, str]:
    return {str(path.relative_to(DEMO)): path.read_text() for path in DEMO.rglob("*.*") if path.is_file()}


def wait_for_results(site: Site, number: int, commit: str) -> dict[str, dict[str, Any]]:
    """The suites of that commit, once none is waiting or running."""

    def found() -> dict[str, Any]:
        return next((item for item in site.api("environments")["items"] if item["number"] == number), {})

    def wrong() -> str:
        now = found()
        states = {suite["name"]: suite["state"] for suite in now.get("tests", [])}
        over = now.get("commit") == commit and states and not {"waiting", "running"} & set(states.values())
        return "" if over else f"{now.get('phase')} {now.get('commit')} {states}"

    sites.wait_until("the suites end", wrong, sites.CREATE_TIMEOUT)
    return {suite["name"]: suite for suite in found()["tests"]}


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="needs Chromium")
@pytest.mark.exhaustive
def test_real_browser_opens_the_preview_and_a_failing_suite_is_reported(site: Site) -> None:
    """P4: result in the comment and in the check, each for its commit."""
    number, commit = site.open_pull("browse", shop_files())
    suites = wait_for_results(site, number, commit)
    assert {name: suite["state"] for name, suite in suites.items()} == {"integration": "passed", "browser": "passed"}
    assert suites["integration"]["report"]["tests"] > 0
    name = next(item["name"] for item in site.api("environments")["items"] if item["number"] == number)
    shown = site.api(f"environments/{name}/suites/browser/screenshots")["files"]
    assert [item["name"] for item in shown] == ["shop.png"]
    assert shown[0]["width"] > 100
    site.wait_for_comment(number, "Ready", commit[:7], "browser", "passed")
    site.wait_for_check(commit, "success")

    broken = site.forge.push(sites.REPOSITORY, "browse", {"tests/integration.py": BREAK})
    suites = wait_for_results(site, number, broken)
    assert {name: suite["state"] for name, suite in suites.items()} == {"integration": "failed", "browser": "skipped"}
    site.wait_for_comment(number, broken[:7], "no apples today")
    site.wait_for_check(broken, "failure")
