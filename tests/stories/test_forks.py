"""Pull requests from forks: nothing runs until a person lets that very commit run. S2, Y1, pitfall 7."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.core.model.policy import Policy
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import APPROVED, ForgeUnavailable, approved_mark
from tests.worlds.eph_files import EPH_YAML, eph_yaml
from tests.worlds.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


def approve(world: World, number: int, commit: str = "") -> None:
    world.forge.mark(world.shop, commit or world.head(number), approved_mark(f"pr-{number}"), "Approved by ada")
    world.wakeups.wake(refresh=True)


async def test_the_label_alone_lets_nothing_run(world: World) -> None:
    number = world.open_pull(by="mallory", from_fork=True)
    await world.run_for(hours=1)
    assert world.phase(number) is Phase.WAITING
    assert world.stacks.started == []


async def test_approval_is_of_one_commit_and_a_push_takes_it_back(world: World) -> None:
    number = world.open_pull(by="mallory", from_fork=True)
    first = world.head(number)
    approve(world, number)
    await world.run_for(minutes=1)
    assert (world.phase(number), world.running_commit(number)) == (Phase.READY, first)
    world.push(number)
    await world.run_for(minutes=5)
    assert (world.phase(number), world.running_commit(number)) == (Phase.WAITING, first)
    assert world.built_commits(number) == [first]
    approve(world, number)
    await world.run_for(minutes=1)
    assert world.running_commit(number) == world.head(number)


async def test_a_push_between_approval_and_checkout_is_not_built(world: World) -> None:
    """The operation is given the approved commit, and the branch has moved on by the time it looks."""
    number = world.open_pull(by="mallory", from_fork=True)
    approved = world.head(number)
    approve(world, number)
    ref = world.hold(number)
    await world.run_cycle()
    world.push(number)
    await world.run_for(seconds=10)
    world.release(ref)
    await world.run_for(minutes=5)
    assert world.built_commits(number) == [approved]


async def test_approval_of_an_older_commit_lets_the_newer_wait(world: World) -> None:
    number = world.open_pull(by="mallory", from_fork=True)
    old = world.head(number)
    world.push(number)
    approve(world, number, old)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.WAITING
    assert world.stacks.started == []


async def test_approval_is_for_one_pull_request(world: World) -> None:
    """Anyone can open another pull request with a commit that was approved, against another base or title."""
    reviewed, copy = (world.open_pull(by="mallory", from_fork=True) for _ in range(2))
    world.forge.update_pull(world.shop, copy, head_sha=world.head(reviewed))
    approve(world, reviewed)
    await world.run_for(minutes=5)
    assert (world.phase(reviewed), world.phase(copy)) == (Phase.READY, Phase.WAITING)
    assert world.built_commits(copy) == []


async def test_approval_without_a_pull_request_counts_for_none(world: World) -> None:
    """Earlier versions wrote one mark for all pull requests with that commit."""
    number = world.open_pull(by="mallory", from_fork=True)
    world.forge.mark(world.shop, world.head(number), APPROVED, "Approved by ada")
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.WAITING


async def test_what_a_fork_writes_into_eph_yaml_decides_nothing(world: World) -> None:
    """Neither before the approval nor after it: the file is the base branch's."""
    theirs = EPH_YAML.replace("python3 web.py", "steal").replace("name: shop", "name: theirs")
    number = world.open_pull(by="mallory", from_fork=True, files={"eph.yaml": theirs})
    approve(world, number)
    await world.run_for(minutes=1)
    view = world.view(number)
    assert view is not None
    assert view.name.startswith("shop-")
    [up] = [each for each in world.stacks.started if each.spec is not None]
    assert up.spec is not None
    assert [service.command for service in up.spec.services] == ["python3 web.py"]
    assert (up.spec.source.commit, dict(up.spec.env)) == (world.head(number), {})


async def test_marks_that_cannot_be_read_are_no_approval(world: World) -> None:
    number = world.open_pull(by="mallory", from_fork=True)
    approve(world, number)
    world.forge.fail_next(ForgeUnavailable("502"), "decisions", count=2)
    await world.run_cycle()
    assert world.phase(number) is Phase.WAITING
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_a_withdrawn_approval_keeps_the_next_build_from_starting(world: World) -> None:
    number = world.open_pull(by="mallory", from_fork=True)
    approve(world, number)
    await world.run_for(minutes=1)
    world.forge.mark(world.shop, world.head(number), approved_mark(f"pr-{number}"), "")
    world.forge.push(world.shop, "main", eph_yaml("build: {command: make}\n"))
    await world.run_for(minutes=5)
    assert len(world.built_commits(number)) == 1


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Policy(allow_forks=False), "this server doesn't run forks"),
        (Policy(approval_is_trust=False), "even if a commit is approved"),
    ],
)
async def test_a_server_may_refuse_what_is_approved(policy: Policy, words: str) -> None:
    """Y4: ``forks.allow`` and ``forks.guarded``."""
    town = World(policy)
    number = town.open_pull(by="mallory", from_fork=True)
    approve(town, number)
    await town.run_for(minutes=5)
    assert town.phase(number) is Phase.REFUSED
    assert town.stacks.started == []
    assert words in town.comment(number)
    await town.close()


async def test_a_pull_request_whose_fork_was_deleted_still_waits(world: World) -> None:
    """Pitfall 11: the host tells no head repository any more, which counts as a fork."""
    number = world.open_pull(by="mallory", from_fork=True)
    world.forge.update_pull(world.shop, number, head_ref="unknown repository")
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.WAITING
