"""Pushes while things are under way: L5, L6. A storm of them neither starves nor multiplies updates."""

from __future__ import annotations

from orchestrator.core.model.policy import Policy
from orchestrator.core.views.phases import Phase
from tests.worlds.world import World


async def test_push_during_create_supersedes_it(world: World) -> None:  # L5
    number = world.open_pull()
    ref = world.hold(number)
    await world.run_for(seconds=1)
    old = world.head(number)
    new = world.push(number)
    await world.run_for(seconds=3)
    world.release(ref)
    await world.run_for(minutes=1)
    assert world.built_commits(number) == [old, new]
    assert world.running_commit(number) == new
    assert world.phase(number) is Phase.READY


async def test_pushes_in_a_row_are_awaited(world: World) -> None:  # L6
    number = world.open_pull()
    await world.run_for(minutes=1)
    for _ in range(3):
        last = world.push(number)
        world.wakeups.wake(refresh=True)
        await world.run_for(seconds=1)
    await world.run_for(minutes=1)
    assert world.built_commits(number)[1:] == [last]
    assert world.running_commit(number) == last


async def test_a_storm_of_fifty_pushes_ends_in_few_updates_and_the_last_commit(world: World) -> None:  # L6
    number = world.open_pull()
    await world.run_for(minutes=1)
    ref = world.hold(number)
    for _ in range(50):
        last = world.push(number)
        world.wakeups.wake(refresh=True)
        await world.run_for(seconds=3)
    most = Policy().max_supersedes
    assert 0 < len(world.built_commits(number)[1:]) <= most + 1
    world.release(ref)
    await world.run_for(minutes=2)
    assert len(world.built_commits(number)[1:]) <= most + 2
    assert world.running_commit(number) == last
    assert world.phase(number) is Phase.READY


async def test_old_version_serves_during_update(world: World) -> None:  # L5
    number = world.open_pull()
    await world.run_for(minutes=1)
    old, url = world.running_commit(number), world.url(number)
    world.hold(number)
    world.push(number)
    await world.run_for(seconds=20)
    assert world.phase(number) is Phase.UPDATING
    assert (world.running_commit(number), world.url(number)) == (old, url)
    assert old[:7] in world.comment(number)


async def test_supersedes_count_from_the_last_end_of_its_own(world: World) -> None:  # L6
    """A failure ends the row of interruptions: the next commits may supersede again."""
    number = world.open_pull()
    await world.run_for(minutes=1)
    for _ in range(2):
        ref = world.hold(number)
        for _ in range(Policy().max_supersedes):
            world.push(number)
            await world.run_for(seconds=5)
            world.push(number)
            await world.run_for(seconds=5)
        world.stacks.fail(ref, "the build broke", times=1)
        world.release(ref)
        await world.run_for(minutes=2)
        assert world.running_commit(number) == world.head(number)
    assert world.facts.attempts.superseded == {}
