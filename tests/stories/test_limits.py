"""Limits, the queue and bounded concurrency: L6."""

from __future__ import annotations

from orchestrator.core.model.policy import Policy
from orchestrator.core.views.phases import Phase
from tests.worlds.world import World


async def test_what_is_over_the_limit_waits_and_its_pull_request_says_its_place() -> None:  # L6
    town = World(Policy(max_environments=2))
    numbers = [town.open_pull(str(each)) for each in range(4)]
    await town.run_for(minutes=2)
    phases = [town.phase(number) for number in numbers]
    assert phases.count(Phase.READY) == 2
    queued = [number for number in numbers if town.phase(number) is Phase.QUEUED]
    places = [view.queue_position for number in queued if (view := town.view(number)) is not None]
    assert sorted(places, key=str) == [1, 2]
    for number in queued:
        view = town.view(number)
        assert view is not None
        assert f"Position **{view.queue_position}** in the queue" in town.comment(number)
    first = min(queued, key=lambda number: getattr(town.view(number), "queue_position", 0))
    ready = next(number for number in numbers if town.phase(number) is Phase.READY)
    town.close_pull(ready)
    await town.run_for(minutes=2)
    assert town.phase(first) is Phase.READY
    assert len(town.stacks.records) == 2
    await town.close()


async def test_a_repository_has_its_own_limit() -> None:  # L6
    town = World(Policy(max_per_repository=1))
    other = town.forge.create_repository("acme/wiki", {"eph.yaml": 'version: "1.0"\nname: wiki\nservices:\n'
                                                       "  - name: web\n    command: serve\n"})  # fmt: skip
    town.forge.grant_write(other, "ada")
    here = [town.open_pull(str(each)) for each in range(2)]
    there = town.open_pull("there", repository=other)
    await town.run_for(minutes=2)
    assert [town.phase(number) for number in here] == [Phase.READY, Phase.QUEUED]
    assert town.phase(there, other) is Phase.READY
    await town.close()


async def test_never_more_operations_than_the_limit(world: World) -> None:  # L6
    numbers = [world.open_pull(str(each)) for each in range(9)]
    refs = [world.hold(number) for number in numbers]
    most = 0
    for _ in range(len(refs)):
        await world.run_for(seconds=1)
        running = list(world.executor.running)
        most = max(most, len(running))
        world.release(running[0])
    assert most == world.policy.max_concurrent
    for ref in refs:
        world.release(ref)
    await world.run_for(minutes=2)
    assert {world.phase(number) for number in numbers} == {Phase.READY}
    assert len(world.stacks.started) == 9


async def test_one_stack_never_has_two_operations(world: World) -> None:  # L6
    number = world.open_pull()
    ref = world.hold(number)
    await world.run_cycle()
    for _ in range(10):
        world.wakeups.wake(refresh=True)
        await world.run_cycle()
    assert len(world.stacks.started) == 1
    world.close_pull(number)
    await world.run_for(seconds=1)
    assert [each.verb.value for each in world.stacks.started] == ["up", "destroy"]
    world.release(ref)
    await world.run_for(minutes=1)
    assert world.stacks.records == {}
