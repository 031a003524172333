"""Pushes while things are under way: L5, L6. A storm of them neither starves nor multiplies updates."""

from __future__ import annotations

from orchestrator.core.phases import Phase
from orchestrator.core.policy import Policy
from tests.stories.town import Town


async def test_a_push_during_the_first_up_supersedes_it(town: Town) -> None:  # L5
    number = town.open()
    ref = town.hold(number)
    await town.live(seconds=1)
    old = town.head(number)
    new = town.push(number)
    await town.live(seconds=3)
    town.release(ref)
    await town.live(minutes=1)
    assert town.ups(number) == [old, new]
    assert town.runs(number) == new
    assert town.phase(number) is Phase.READY


async def test_pushes_in_a_row_are_awaited(town: Town) -> None:  # L6
    number = town.open()
    await town.live(minutes=1)
    for _ in range(3):
        last = town.push(number)
        town.wakes.wake(look=True)
        await town.live(seconds=1)
    await town.live(minutes=1)
    assert town.ups(number)[1:] == [last]
    assert town.runs(number) == last


async def test_a_storm_of_fifty_pushes_ends_in_few_updates_and_the_last_commit(town: Town) -> None:  # L6
    number = town.open()
    await town.live(minutes=1)
    ref = town.hold(number)
    for _ in range(50):
        last = town.push(number)
        town.wakes.wake(look=True)
        await town.live(seconds=3)
    most = Policy().supersede_most
    assert 0 < len(town.ups(number)[1:]) <= most + 1
    town.release(ref)
    await town.live(minutes=2)
    assert len(town.ups(number)[1:]) <= most + 2
    assert town.runs(number) == last
    assert town.phase(number) is Phase.READY


async def test_the_old_url_answers_while_the_update_runs(town: Town) -> None:  # L5
    number = town.open()
    await town.live(minutes=1)
    old, url = town.runs(number), town.url(number)
    town.hold(number)
    town.push(number)
    await town.live(seconds=20)
    assert town.phase(number) is Phase.UPDATING
    assert (town.runs(number), town.url(number)) == (old, url)
    assert old[:7] in town.comment(number)


async def test_supersedes_count_from_the_last_end_of_its_own(town: Town) -> None:  # L6
    """A failure ends the row of interruptions: the next commits may supersede again."""
    number = town.open()
    await town.live(minutes=1)
    for _ in range(2):
        ref = town.hold(number)
        for _ in range(Policy().supersede_most):
            town.push(number)
            await town.live(seconds=5)
            town.push(number)
            await town.live(seconds=5)
        town.stacks.fail(ref, "the build broke", times=1)
        town.release(ref)
        await town.live(minutes=2)
        assert town.runs(number) == town.head(number)
    assert town.memory.superseded == {}
