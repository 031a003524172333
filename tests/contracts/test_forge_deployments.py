"""Deployments on every Git host: the fake, the production client on the sandbox, and on a GitHub we did not write.

Rows: P2, L2 (found again without memory), L4 (nothing is written twice). Pitfalls 2 (environments leak), 9.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.forge.port import DeploymentReport, DeploymentState, ForgeRefused, Unsupported
from orchestrator.forge.sandbox.world import SandboxForge
from tests.contracts.forge_hosts import Host, SandboxHost, need, repository

PLACE = "shop-gentle-stream-1"
MAKING = DeploymentReport(DeploymentState.IN_PROGRESS, "Being made")
MADE = DeploymentReport(DeploymentState.SUCCESS, "Ready", "http://shop-gentle-stream-1.localhost/")
BROKEN = DeploymentReport(DeploymentState.FAILURE, "The build failed")
ENDING = DeploymentReport(DeploymentState.INACTIVE, "Being removed")


@pytest.fixture
def shop(tmp_path: Path) -> SandboxHost:
    world = SandboxForge(tmp_path / "sandbox")
    world.start()
    return SandboxHost(world)


def commits(host: Host, count: int) -> list[str]:
    return [host.push("one", {"message.txt": f"{number}\n"}) for number in range(count)]


def test_a_commit_has_one_deployment_that_goes_through_its_states(host: Host) -> None:
    need(host, "deployments")
    forge, shop = repository(host)
    [sha] = commits(host, 1)
    for report, state in ((MAKING, "in_progress"), (MADE, "success"), (BROKEN, "failure"), (ENDING, "inactive")):
        forge.report_deployment(shop, sha, PLACE, report)
        assert host.deployments(PLACE) == {sha: state}
        host.client().report_deployment(shop, sha, PLACE, report)
        assert host.deployments(PLACE) == {sha: state}


def test_an_older_commit_turns_inactive_when_the_newer_one_is_made_or_failed(host: Host) -> None:
    """Pitfall 9: until then it is what answers; afterwards none is green beside a red one."""
    need(host, "deployments")
    forge, shop = repository(host)
    first, second, third = commits(host, 3)
    forge.report_deployment(shop, first, PLACE, MADE)
    forge.report_deployment(shop, second, PLACE, MAKING)
    assert host.deployments(PLACE) == {first: "success", second: "in_progress"}
    host.client().report_deployment(shop, third, PLACE, MAKING)
    assert host.deployments(PLACE) == {first: "success", second: "inactive", third: "in_progress"}
    host.client().report_deployment(shop, third, PLACE, BROKEN)
    assert host.deployments(PLACE) == {first: "inactive", second: "inactive", third: "failure"}


def test_a_commit_that_comes_back_is_active_again(host: Host) -> None:
    """Pitfall 11, a force push to an older commit."""
    need(host, "deployments")
    forge, shop = repository(host)
    first, second = commits(host, 2)
    for sha in (first, second, first):
        forge.report_deployment(shop, sha, PLACE, MADE)
    assert host.deployments(PLACE) == {first: "success", second: "inactive"}
    forge.report_deployment(shop, first, PLACE, ENDING)
    assert set(host.deployments(PLACE).values()) == {"inactive"}


def test_an_end_that_comes_first_makes_nothing(host: Host) -> None:
    need(host, "deployments")
    forge, shop = repository(host)
    [sha] = commits(host, 1)
    forge.report_deployment(shop, sha, PLACE, ENDING)
    assert forge.retire_deployment(shop, PLACE) == ""
    assert (host.deployments(PLACE), host.environments()) == ({}, [])


def test_at_the_end_all_of_them_go_and_no_other_environments(host: Host) -> None:
    """Pitfall 2: by a client that remembers nothing, and as often as it is asked to."""
    need(host, "deployments")
    forge, shop = repository(host)
    host.own()
    first, second = commits(host, 2)
    for sha in (first, second):
        forge.report_deployment(shop, sha, PLACE, MADE)
    forge.report_deployment(shop, second, "another-2", MADE)
    assert host.client().retire_deployment(shop, PLACE) == ""
    assert (host.deployments(PLACE), host.environments()) == ({}, ["another-2"])
    assert forge.retire_deployment(shop, PLACE) == ""
    forge.report_deployment(shop, second, PLACE, MADE)
    assert host.deployments(PLACE) == {second: "success"}


def test_a_host_that_has_none_says_so_and_is_not_asked_again(host: Host) -> None:
    if "deployments" not in host.lacks:
        pytest.skip("this host has deployments")
    forge, shop = repository(host)
    [sha] = commits(host, 1)
    for _ in range(2):
        with pytest.raises(Unsupported, match="has no deployments"):
            forge.report_deployment(shop, sha, PLACE, MADE)
    assert forge.retire_deployment(shop, PLACE) == ""


def test_who_may_not_remove_environments_removes_the_deployments_and_says_what_stays(shop: SandboxHost) -> None:
    """Pitfall 2: a token with less than administration: write."""
    forge, home = repository(shop)
    [sha] = commits(shop, 1)
    forge.report_deployment(home, sha, PLACE, MADE)
    assert "administration: write" in forge.retire_deployment(home, PLACE)
    assert (shop.deployments(PLACE), shop.environments()) == ({}, [PLACE])
    shop.done()


def test_what_broke_off_half_way_is_finished_by_the_next_life(shop: SandboxHost) -> None:
    """L2: the newest deployment goes last, so that as long as anything is left it can be found."""
    forge, home = repository(shop)
    shop.own()
    first, second = commits(shop, 2)
    for sha in (first, second):
        forge.report_deployment(home, sha, PLACE, MADE)
    shop.world.fail_next(9, status=500, path="/environments/")
    with pytest.raises(Exception, match="500"):
        forge.retire_deployment(home, PLACE)
    shop.world.fail_next(0)
    assert shop.deployments(PLACE) == {second: "inactive"}
    assert shop.client().retire_deployment(home, PLACE) == ""
    assert (shop.deployments(PLACE), shop.environments()) == ({}, [])
    shop.done()


def test_a_long_history_of_commits_is_cut(shop: SandboxHost) -> None:
    """Nothing grows without bound. A fresh client for each, so that none waits for its pace."""
    repository(shop)
    made = commits(shop, 14)
    for sha in made:
        forge, home = repository(shop)
        forge.report_deployment(home, sha, PLACE, MADE)
    assert list(shop.deployments(PLACE)) == made[-11:]
    shop.done()


def test_what_is_so_already_is_not_written_again(shop: SandboxHost) -> None:
    """L4: neither by this life nor by the next."""
    forge, home = repository(shop)
    [sha] = commits(shop, 1)
    forge.report_deployment(home, sha, PLACE, MADE)
    quiet = forge.cost().counted
    forge.report_deployment(home, sha, PLACE, MADE)
    assert forge.cost().counted == quiet
    fresh = shop.client()
    fresh.repositories()
    before = fresh.cost().counted
    fresh.report_deployment(home, sha, PLACE, MADE)
    assert fresh.cost().counted - before == 2  # the list, and the newest status
    shop.done()


def test_a_deployment_that_the_host_refuses_is_an_error_with_its_words(shop: SandboxHost) -> None:
    forge, home = repository(shop)
    with pytest.raises(ForgeRefused, match="No commit found"):
        forge.report_deployment(home, "0" * 40, PLACE, MADE)
    shop.done()
