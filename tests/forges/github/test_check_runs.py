"""Our check runs beside those of others. Rows: P2, S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.github import parsers
from orchestrator.forges.github.github_forge import AppKey, GitHubForge
from orchestrator.forges.port import CheckReport, Conclusion

SHOP = "ada/shop"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DemoGitHub]:
    made = DemoGitHub(tmp_path / "sandbox")
    made.start()
    made.create_repository(SHOP, {"eph.yaml": "version: 1\n"})
    yield made
    made.close()


def test_workflow_job_with_the_name_of_our_check_stays_as_it_is(world: DemoGitHub) -> None:
    """S3: a fork names its jobs as it likes. On GitHub, editing another app's run is forbidden, and after that Eph no
    longer wrote check runs in the whole repository."""
    key = AppKey(*world.create_app("eph-previews"))
    world.install_app(key.app_id, "ada")
    forge = GitHubForge(world.api_url, key, [SHOP])
    try:
        [shop] = forge.repositories()
        sha = world.push(SHOP, "one", {"n": "1"})
        world.set_check(SHOP, sha, "eph", None)
        forge.report_check(shop, sha, "eph", CheckReport(Conclusion.FAILURE, "Failed", "It failed."))
        runs = world.api("GET", f"/repos/{SHOP}/commits/{sha}/check-runs")["check_runs"]
        assert {run["app"]["slug"]: run["conclusion"] for run in runs} == {"ci": None, "eph-previews[bot]": "failure"}
    finally:
        forge.close()


@pytest.mark.parametrize(
    ("app", "login", "names_apps", "ours"),
    [
        ("eph", "eph[bot]", True, True),
        ("ci", "eph[bot]", True, False),
        ("", "eph[bot]", True, False),
        ("", "eph-bot", False, True),
        ("ci", "eph-bot", False, False),
    ],
)
def test_run_without_an_app_is_ours_only_on_a_host_that_names_none(
    app: str, login: str, names_apps: bool, ours: bool
) -> None:
    """S2: the app of a run is missing once it was deleted, so it could be anyone's."""
    data = {"id": 1, "name": "eph/approved", "status": "completed", "app": {"slug": app} if app else None}
    assert parsers.check_run(data).is_by(login, names_apps) is ours
