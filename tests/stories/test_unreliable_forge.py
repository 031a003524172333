"""A Git host that is down, lies, or forgets: nothing is lost by it. L7, L8, pitfalls 3 and 5."""

from __future__ import annotations

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeUnavailable
from tests.worlds.world import World

DOWN = ForgeUnavailable("502 Bad Gateway")


async def test_a_git_host_that_is_down_for_an_hour_destroys_nothing(world: World) -> None:  # L7, pitfall 3
    numbers = [world.open_pull(str(each)) for each in range(4)]
    await world.run_for(minutes=1)
    before = dict(world.stacks.records)
    world.forge.fail_next(DOWN, count=100_000)
    await world.run_for(hours=1)
    assert world.stacks.records == before
    assert [world.phase(number) for number in numbers] == [Phase.READY] * 4
    assert world.event_messages("forge.incomplete")
    world.forge.recover()
    world.close_pull(numbers[0])
    await world.run_for(minutes=1)
    assert len(world.stacks.records) == 3
    assert world.event_messages("forge.recovered")


async def test_what_dies_while_the_git_host_is_down_is_repaired(world: World) -> None:  # L8
    number = world.open_pull()
    await world.run_for(minutes=10)
    world.forge.fail_next(DOWN, count=100_000)
    await world.run_for(minutes=1)
    view = world.view(number)
    assert view is not None
    world.unresponsive.add(view.host)
    await world.run_for(minutes=2)
    assert len(world.built_commits(number)) > 1


async def test_empty_list_destroys_no_open_pull_request(world: World) -> None:  # L7, pitfall 3
    for each in range(8):
        world.open_pull(str(each))
    await world.run_for(minutes=2)
    world.forge.list_nothing(world.shop)
    await world.run_for(minutes=20)
    assert len(world.stacks.records) == 8
    world.forge.list_nothing(world.shop, empty=False)
    await world.run_for(minutes=1)
    assert {view.phase for view in world.last_cycle.views} == {Phase.READY}


async def test_truncated_list_destroys_nothing(world: World) -> None:  # pitfall 3
    numbers = [world.open_pull(str(each)) for each in range(6)]
    await world.run_for(minutes=2)
    for _ in range(5):
        world.forge.truncate_next_pulls(world.shop, 1)
        await world.run_for(seconds=29)
    assert len(world.stacks.records) == 6
    assert {world.phase(number) for number in numbers} == {Phase.READY}


async def test_a_repository_that_answers_404_destroys_nothing(world: World) -> None:  # pitfall 3
    """Our access was taken away, or the repository is gone: nobody can say which."""
    for each in range(3):
        world.open_pull(str(each))
    await world.run_for(minutes=1)
    world.forge.hide(world.shop)
    await world.run_for(hours=1)
    assert len(world.stacks.records) == 3
    world.forge.hide(world.shop, hidden=False)
    await world.run_for(minutes=1)
    assert {view.phase for view in world.last_cycle.views} == {Phase.READY}


async def test_a_pull_request_that_is_gone_is_destroyed_once_confirmed(world: World) -> None:  # L7
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.fail_next(DOWN, "pull", count=2)
    world.forge.vanish(world.shop, number)
    await world.run_for(seconds=1)
    assert len(world.stacks.records) == 1
    await world.run_for(minutes=3)
    assert world.stacks.records == {}


async def test_a_restart_begins_no_new_share(world: World) -> None:  # L7, L2
    """Else a bad answer and a service that is started again and again would take everything, a share at a time."""
    numbers = [world.open_pull(str(each)) for each in range(10)]
    await world.run_for(minutes=2)
    for number in numbers[:5]:
        world.forge.vanish(world.shop, number)
    await world.run_for(minutes=10)
    assert len(world.stacks.records) == 5
    for number in numbers[5:8]:
        world.forge.vanish(world.shop, number)
    await world.run_for(minutes=5)
    await world.crash()
    await world.run_for(minutes=5)
    assert len(world.stacks.records) == 5
    await world.run_for(hours=1)
    assert len(world.stacks.records) == 2


async def test_mass_deletion_is_held_until_approved(world: World) -> None:  # L7
    numbers = [world.open_pull(str(each)) for each in range(10)]
    await world.run_for(minutes=2)
    for number in numbers[:7]:
        world.forge.vanish(world.shop, number)
    await world.run_for(minutes=10)
    assert len(world.stacks.records) == 10
    plan = world.last_cycle.plan
    assert plan is not None
    assert plan.digest
    assert len(world.event_messages("plan.held")) >= 1
    assert f"eph approve {plan.digest}" in world.event_messages("plan.held")[-1]
    world.facts.approvals.approve_plan(plan.digest, world.now)
    await world.run_for(minutes=5)
    assert len(world.stacks.records) == 3


@pytest.mark.long
async def test_an_approval_says_nothing_of_the_next_day(world: World) -> None:  # L7
    numbers = [world.open_pull(str(each)) for each in range(10)]
    await world.run_for(minutes=2)
    for number in numbers[:7]:
        world.forge.vanish(world.shop, number)
    await world.run_for(minutes=1)
    plan = world.last_cycle.plan
    assert plan is not None
    assert plan.digest
    world.forge.fail_next(DOWN, count=100_000)
    await world.run_for(minutes=3)
    world.facts.approvals.approve_plan(plan.digest, world.now)
    await world.run_for(hours=2)
    world.forge.recover()
    await world.run_for(minutes=5)
    assert len(world.stacks.records) == 10


async def test_a_file_that_breaks_our_own_code_is_its_pull_requests_trouble(world: World) -> None:  # S3, pitfall 5
    good, evil = world.open_pull("good"), world.open_pull("evil")
    await world.run_for(minutes=1)
    world.forge.fail_files(world.push(evil), RecursionError("maximum recursion depth exceeded"))
    new = world.push(good)
    await world.run_for(minutes=1)
    assert world.running_commit(good) == new
    assert world.stack(evil) is not None
    assert world.phase(evil) is Phase.WAITING
