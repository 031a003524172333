"""`kill -9` in the middle of anything, then a restart: it converges, and nothing is leaked or done twice (L2, L8).

Whatever the moment, the same end: what is labelled is ready at its newest commit, what is not has left nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from orchestrator.core.views.phases import Phase
from stacks.model import OperationVerb
from tests.worlds.world import World

KillPoint = Callable[[World, int], Awaitable[None]]


async def during_create(world: World, number: int) -> None:
    world.hold(number)
    await world.run_for(seconds=2)


async def during_update(world: World, number: int) -> None:
    await world.run_for(minutes=1)
    world.push(number)
    world.hold(number)
    await world.run_for(seconds=10)


async def during_destroy(world: World, number: int) -> None:
    await world.run_for(minutes=1)
    world.hold(number)
    world.unlabel(number)
    await world.run_for(seconds=2)
    world.label(number)


async def after_a_failed_build(world: World, number: int) -> None:
    world.stacks.fail(world.ref(number), "exit code 2", times=1)
    await world.run_for(seconds=2)


async def during_superseded_update(world: World, number: int) -> None:
    await world.run_for(minutes=1)
    world.push(number)
    world.hold(number)
    await world.run_for(seconds=10)
    world.push(number)
    await world.run_for(seconds=1)


async def during_debounce(world: World, number: int) -> None:
    await world.run_for(minutes=1)
    world.push(number)
    await world.run_cycle()


async def when_idle(world: World, number: int) -> None:
    await world.run_for(minutes=3)


KILL_POINTS = [
    during_create,
    during_update,
    during_destroy,
    after_a_failed_build,
    during_superseded_update,
    during_debounce,
    when_idle,
]


@pytest.mark.parametrize("moment", KILL_POINTS)
async def test_a_restart_brings_it_to_its_newest_commit(world: World, moment: KillPoint) -> None:  # L2, L8
    number, other = world.open_pull("this"), world.open_pull("another")
    await moment(world, number)
    await world.crash()
    await world.run_for(minutes=3)
    assert world.phase(number) is Phase.READY
    assert world.running_commit(number) == world.head(number)
    assert world.phase(other) is Phase.READY
    assert len(world.stacks.records) == 2
    assert all(not record.locks and not record.pending_operations for record in world.stacks.records.values())


@pytest.mark.parametrize("moment", KILL_POINTS)
async def test_what_is_closed_while_nobody_looks_is_gone_afterwards(world: World, moment: KillPoint) -> None:  # L2, L7
    number = world.open_pull()
    await moment(world, number)
    await world.crash()
    world.close_pull(number)
    await world.run_for(minutes=3)
    assert world.stacks.records == {}
    assert "Destroyed" in world.comment(number)


async def test_a_restart_in_peace_does_nothing_again(world: World) -> None:  # L2, L4
    for each in range(3):
        world.open_pull(str(each))
    await world.run_for(minutes=2)
    started = len(world.stacks.started)
    await world.crash()
    await world.run_for(minutes=5)
    assert len(world.stacks.started) == started


async def test_ready_environment_is_ready_in_the_first_cycle_after_a_restart(world: World) -> None:  # P1 P3
    number = world.open_pull()
    await world.run_for(seconds=20)
    assert world.phase(number) is Phase.READY
    await world.crash()
    await world.loop.cycle(refresh=True)
    assert world.phase(number) is Phase.READY
    assert "Ready" in world.comment(number)


async def test_a_restart_while_the_git_host_is_down_destroys_nothing(world: World) -> None:  # L2, L7
    number = world.open_pull()
    await world.run_for(minutes=1)
    await world.crash()
    world.forge.hide(world.shop)
    await world.run_for(minutes=10)
    assert world.stack(number) is not None
    assert all(each.verb is not OperationVerb.DESTROY for each in world.stacks.started)
    world.forge.hide(world.shop, hidden=False)
    await world.run_for(minutes=1)
    assert world.phase(number) is Phase.READY


async def test_the_time_to_live_survives_a_restart(world: World) -> None:  # L5
    number = world.open_pull()
    await world.skip_ahead(hours=40)
    await world.crash()
    await world.skip_ahead(hours=30)
    assert world.phase(number) is Phase.READY
    await world.skip_ahead(hours=3)
    assert world.stack(number) is None


async def test_a_failed_destroy_is_remembered_by_its_stack(world: World) -> None:  # L7
    number = world.open_pull()
    await world.run_for(minutes=1)
    world.stacks.fail(world.ref(number), "a namespace hangs", times=3, verb=OperationVerb.DESTROY)
    world.close_pull(number)
    await world.run_for(minutes=1)
    await world.crash()
    await world.run_for(hours=1)
    assert world.stacks.records == {}
