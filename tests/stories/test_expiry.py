"""How a life ends by time: warned, marked, unlabelled, destroyed, told, and brought back. L5, L2, P1, pitfall 10."""

from __future__ import annotations

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import EXPIRED, LABEL_NOT_OURS, LABEL_REMOVED, ForgeRefused, ForgeUnavailable
from tests.worlds.world import World


def mark(world: World, number: int) -> str:
    """What our mark on the head commit says."""
    return world.forge.decisions(world.shop, world.head(number)).get(f"{EXPIRED}/pr-{number}", "")


async def test_a_warning_before_the_end(world: World) -> None:
    number = world.open_pull()
    await world.skip_ahead(hours=67)
    assert "Expires soon" not in world.comment(number)
    await world.skip_ahead(hours=2)
    assert "Expires soon" in world.comment(number)


async def test_at_the_end_mark_label_environment_and_a_word(world: World) -> None:
    number = world.open_pull()
    world.label(number, "bug")
    await world.skip_ahead(hours=73)
    assert world.stack(number) is None
    assert mark(world, number).startswith(LABEL_REMOVED)
    assert world.forge.pull(world.shop, number).labels == {"bug"}
    assert "Expired" in world.comment(number)
    assert "add the label again" in world.comment(number)


async def test_the_label_put_on_again_brings_it_back_for_a_whole_life(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    url = world.url(number)
    await world.skip_ahead(hours=73)
    world.label(number)
    await world.run_for(minutes=5)
    assert (world.phase(number), world.url(number)) == (Phase.READY, url)
    assert mark(world, number) == ""
    await world.skip_ahead(hours=71)
    assert world.phase(number) is Phase.READY
    await world.skip_ahead(hours=2)
    assert world.stack(number) is None


async def test_the_label_put_on_again_within_a_second_is_seen_too(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.now = world.now.replace(day=world.now.day + 4)
    while "preview" in world.forge.pull(world.shop, number).labels:
        await world.run_cycle()
    world.label(number)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.READY
    await world.run_for(hours=1)
    assert world.phase(number) is Phase.READY


async def test_a_restart_at_any_point_brings_nothing_back(world: World) -> None:  # L2
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.now = world.now.replace(day=world.now.day + 4)
    for _ in range(8):
        await world.run_cycle()
        await world.crash()
    await world.run_for(hours=1)
    assert world.stack(number) is None
    assert world.forge.pull(world.shop, number).labels == frozenset()
    assert world.built_commits(number) == [world.head(number)]


async def test_a_label_that_we_may_not_take_off_stays_and_the_rest_goes_on(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeRefused("403: the token may not change labels"), "remove_label", count=50)
    await world.skip_ahead(hours=73)
    await world.run_for(hours=1)
    assert world.stack(number) is None
    assert world.phase(number) is Phase.EXPIRED
    assert mark(world, number).startswith(LABEL_NOT_OURS)
    assert len(world.event_messages("cycle.failed")) == 1
    world.request_action("retry", number)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.READY


async def test_a_host_that_is_down_just_then_is_asked_again(world: World) -> None:
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.forge.fail_next(ForgeUnavailable("502"), "remove_label", count=2)
    world.forge.fail_next(ForgeUnavailable("502"), "mark", count=2)
    await world.skip_ahead(hours=73)
    await world.run_for(minutes=5)
    assert mark(world, number).startswith(LABEL_REMOVED)
    assert world.stack(number) is None


async def test_two_pull_requests_of_one_commit_have_each_its_own_time(world: World) -> None:
    first = world.open_pull()
    await world.skip_ahead(hours=48)
    branch = world.forge.pull(world.shop, first).head_ref
    second = world.forge.open_pull(world.shop, branch)
    world.label(second)
    await world.run_for(minutes=1)
    await world.skip_ahead(hours=25)
    assert (world.stack(first), world.phase(second)) == (None, Phase.READY)


async def test_a_mark_of_an_earlier_version_still_counts(world: World) -> None:
    """It was of the commit alone, and the label stayed on."""
    number = world.open_pull()
    world.forge.mark(world.shop, world.head(number), EXPIRED, "Expired after 72 h")
    await world.run_for(minutes=5)
    assert world.stacks.started == []
    world.label(number)
    await world.run_for(minutes=5)
    assert world.phase(number) is Phase.READY
