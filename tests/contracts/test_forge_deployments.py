"""Deployments on every Git host: the fake, the production client on the sandbox, and on a GitHub we didn't write.

Rows: P2, L2 (found again without a cache), L4 (nothing is written twice). Pitfalls 2 (environments leak), 9.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.port import DeploymentReport, DeploymentState, ForgeRefused, ForgeUnsupported
from tests.contracts.forge_hosts import Host, repository, require_support
from tests.contracts.sandbox_host import SandboxHost

ENVIRONMENT_NAME = "shop-gentle-stream-1"
CREATING = DeploymentReport(DeploymentState.IN_PROGRESS, "Creating")
SUCCEEDED = DeploymentReport(DeploymentState.SUCCESS, "Ready", "http://shop-gentle-stream-1.localhost/")
FAILED = DeploymentReport(DeploymentState.FAILURE, "The build failed")
INACTIVE = DeploymentReport(DeploymentState.INACTIVE, "Destroying")


@pytest.fixture
def sandbox_host(tmp_path: Path) -> SandboxHost:
    world = DemoGitHub(tmp_path / "sandbox")
    world.start()
    return SandboxHost(world)


def push_commits(host: Host, count: int) -> list[str]:
    return [host.push("one", {"message.txt": f"{number}\n"}) for number in range(count)]


def test_a_commit_has_one_deployment_that_goes_through_its_states(host: Host) -> None:
    require_support(host, "deployments")
    forge, shop = repository(host)
    [sha] = push_commits(host, 1)
    for report, state in (
        (CREATING, "in_progress"),
        (SUCCEEDED, "success"),
        (FAILED, "failure"),
        (INACTIVE, "inactive"),
    ):
        forge.report_deployment(shop, sha, ENVIRONMENT_NAME, report)
        assert host.deployments(ENVIRONMENT_NAME) == {sha: state}
        host.client().report_deployment(shop, sha, ENVIRONMENT_NAME, report)
        assert host.deployments(ENVIRONMENT_NAME) == {sha: state}


def test_older_commit_becomes_inactive_once_the_newer_one_succeeds_or_fails(host: Host) -> None:
    """Pitfall 9: until then it is live; afterwards no green one is next to a red one."""
    require_support(host, "deployments")
    forge, shop = repository(host)
    first, second, third = push_commits(host, 3)
    forge.report_deployment(shop, first, ENVIRONMENT_NAME, SUCCEEDED)
    forge.report_deployment(shop, second, ENVIRONMENT_NAME, CREATING)
    assert host.deployments(ENVIRONMENT_NAME) == {first: "success", second: "in_progress"}
    host.client().report_deployment(shop, third, ENVIRONMENT_NAME, CREATING)
    assert host.deployments(ENVIRONMENT_NAME) == {first: "success", second: "inactive", third: "in_progress"}
    host.client().report_deployment(shop, third, ENVIRONMENT_NAME, FAILED)
    assert host.deployments(ENVIRONMENT_NAME) == {first: "inactive", second: "inactive", third: "failure"}


def test_commit_that_comes_back_is_active_again(host: Host) -> None:
    """Pitfall 11, a force push to an older commit."""
    require_support(host, "deployments")
    forge, shop = repository(host)
    first, second = push_commits(host, 2)
    for sha in (first, second, first):
        forge.report_deployment(shop, sha, ENVIRONMENT_NAME, SUCCEEDED)
    assert host.deployments(ENVIRONMENT_NAME) == {first: "success", second: "inactive"}
    forge.report_deployment(shop, first, ENVIRONMENT_NAME, INACTIVE)
    assert set(host.deployments(ENVIRONMENT_NAME).values()) == {"inactive"}


def test_end_before_the_start_creates_nothing(host: Host) -> None:
    require_support(host, "deployments")
    forge, shop = repository(host)
    [sha] = push_commits(host, 1)
    forge.report_deployment(shop, sha, ENVIRONMENT_NAME, INACTIVE)
    assert forge.retire_deployment(shop, ENVIRONMENT_NAME) == ""
    assert (host.deployments(ENVIRONMENT_NAME), host.environments()) == ({}, [])


def test_at_the_end_all_are_removed_and_no_other_environments(host: Host) -> None:
    """Pitfall 2: by a client without a cache, and repeatedly."""
    require_support(host, "deployments")
    forge, shop = repository(host)
    host.grant_admin()
    first, second = push_commits(host, 2)
    for sha in (first, second):
        forge.report_deployment(shop, sha, ENVIRONMENT_NAME, SUCCEEDED)
    forge.report_deployment(shop, second, "another-2", SUCCEEDED)
    assert host.client().retire_deployment(shop, ENVIRONMENT_NAME) == ""
    assert (host.deployments(ENVIRONMENT_NAME), host.environments()) == ({}, ["another-2"])
    assert forge.retire_deployment(shop, ENVIRONMENT_NAME) == ""
    forge.report_deployment(shop, second, ENVIRONMENT_NAME, SUCCEEDED)
    assert host.deployments(ENVIRONMENT_NAME) == {second: "success"}


def test_host_without_deployments_reports_it_and_is_not_asked_again(host: Host) -> None:
    if "deployments" not in host.unsupported:
        pytest.skip("this host has deployments")
    forge, shop = repository(host)
    [sha] = push_commits(host, 1)
    for _ in range(2):
        with pytest.raises(ForgeUnsupported, match=forge.words.deployment):
            forge.report_deployment(shop, sha, ENVIRONMENT_NAME, SUCCEEDED)
    assert forge.retire_deployment(shop, ENVIRONMENT_NAME) == ""


def test_without_permission_to_remove_environments_deployments_are_removed_and_the_rest_is_reported(
    sandbox_host: SandboxHost,
) -> None:
    """Pitfall 2: a token with less than administration: write."""
    forge, home = repository(sandbox_host)
    [sha] = push_commits(sandbox_host, 1)
    forge.report_deployment(home, sha, ENVIRONMENT_NAME, SUCCEEDED)
    assert "administration: write" in forge.retire_deployment(home, ENVIRONMENT_NAME)
    assert (sandbox_host.deployments(ENVIRONMENT_NAME), sandbox_host.environments()) == ({}, [ENVIRONMENT_NAME])
    sandbox_host.done()


def test_interrupted_cleanup_is_finished_after_a_restart(sandbox_host: SandboxHost) -> None:
    """L2: the newest deployment is removed last, so that as long as anything is left it can be found."""
    forge, home = repository(sandbox_host)
    sandbox_host.grant_admin()
    first, second = push_commits(sandbox_host, 2)
    for sha in (first, second):
        forge.report_deployment(home, sha, ENVIRONMENT_NAME, SUCCEEDED)
    sandbox_host.world.fail_next(9, status=500, path="/environments/")
    with pytest.raises(Exception, match="500"):
        forge.retire_deployment(home, ENVIRONMENT_NAME)
    sandbox_host.world.fail_next(0)
    assert sandbox_host.deployments(ENVIRONMENT_NAME) == {second: "inactive"}
    assert sandbox_host.client().retire_deployment(home, ENVIRONMENT_NAME) == ""
    assert (sandbox_host.deployments(ENVIRONMENT_NAME), sandbox_host.environments()) == ({}, [])
    sandbox_host.done()


def test_long_history_is_pruned(sandbox_host: SandboxHost) -> None:
    """Nothing grows without bound. A fresh client each time, so that none waits for its rate limit."""
    repository(sandbox_host)
    made = push_commits(sandbox_host, 14)
    for sha in made:
        forge, home = repository(sandbox_host)
        forge.report_deployment(home, sha, ENVIRONMENT_NAME, SUCCEEDED)
    assert list(sandbox_host.deployments(ENVIRONMENT_NAME)) == made[-11:]
    sandbox_host.done()


def test_unchanged_state_is_not_written_again(sandbox_host: SandboxHost) -> None:
    """L4: neither by this process nor by the next."""
    forge, home = repository(sandbox_host)
    [sha] = push_commits(sandbox_host, 1)
    forge.report_deployment(home, sha, ENVIRONMENT_NAME, SUCCEEDED)
    quiet = forge.usage().counted
    forge.report_deployment(home, sha, ENVIRONMENT_NAME, SUCCEEDED)
    assert forge.usage().counted == quiet
    fresh = sandbox_host.client()
    fresh.repositories()
    before = fresh.usage().counted
    fresh.report_deployment(home, sha, ENVIRONMENT_NAME, SUCCEEDED)
    assert fresh.usage().counted - before == 2  # the list, and the newest status
    sandbox_host.done()


def test_rejected_deployment_is_an_error_with_the_hosts_message(sandbox_host: SandboxHost) -> None:
    forge, home = repository(sandbox_host)
    with pytest.raises(ForgeRefused, match="No commit found"):
        forge.report_deployment(home, "0" * 40, ENVIRONMENT_NAME, SUCCEEDED)
    sandbox_host.done()
