"""`kill -9` in the middle of anything, then a restart: it converges, and nothing is leaked or done twice (L2, L8).

Whatever the moment, the same end: what is labelled is ready at its newest commit, what is not has left nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from orchestrator.core.phases import Phase
from stacks.model import Verb
from tests.stories.town import Town

Moment = Callable[[Town, int], Awaitable[None]]


async def while_it_is_made(town: Town, number: int) -> None:
    town.hold(number)
    await town.live(seconds=2)


async def while_it_is_updated(town: Town, number: int) -> None:
    await town.live(minutes=1)
    town.push(number)
    town.hold(number)
    await town.live(seconds=10)


async def while_it_is_destroyed(town: Town, number: int) -> None:
    await town.live(minutes=1)
    town.hold(number)
    town.forge.unlabel(town.shop, number, "preview")
    await town.live(seconds=2)
    town.forge.label(town.shop, number, "preview")


async def after_a_failed_build(town: Town, number: int) -> None:
    town.stacks.fail(town.ref(number), "exit code 2", times=1)
    await town.live(seconds=2)


async def while_an_update_is_superseded(town: Town, number: int) -> None:
    await town.live(minutes=1)
    town.push(number)
    town.hold(number)
    await town.live(seconds=10)
    town.push(number)
    await town.live(seconds=1)


async def while_pushes_are_awaited(town: Town, number: int) -> None:
    await town.live(minutes=1)
    town.push(number)
    await town.cycle()


async def when_all_is_quiet(town: Town, number: int) -> None:
    await town.live(minutes=3)


MOMENTS = [
    while_it_is_made,
    while_it_is_updated,
    while_it_is_destroyed,
    after_a_failed_build,
    while_an_update_is_superseded,
    while_pushes_are_awaited,
    when_all_is_quiet,
]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_restart_brings_it_to_its_newest_commit(town: Town, moment: Moment) -> None:  # L2, L8
    number, other = town.open("this"), town.open("another")
    await moment(town, number)
    await town.kill()
    await town.live(minutes=3)
    assert town.phase(number) is Phase.READY
    assert town.runs(number) == town.head(number)
    assert town.phase(other) is Phase.READY
    assert len(town.stacks.records) == 2
    assert all(not record.locks and not record.pending for record in town.stacks.records.values())


@pytest.mark.parametrize("moment", MOMENTS)
async def test_what_is_closed_while_nobody_looks_is_gone_afterwards(town: Town, moment: Moment) -> None:  # L2, L7
    number = town.open()
    await moment(town, number)
    await town.kill()
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=3)
    assert town.stacks.records == {}
    assert "Removed" in town.comment(number)


async def test_a_restart_in_peace_does_nothing_again(town: Town) -> None:  # L2, L4
    for each in range(3):
        town.open(str(each))
    await town.live(minutes=2)
    started = len(town.stacks.started)
    await town.kill()
    await town.live(minutes=5)
    assert len(town.stacks.started) == started


async def test_a_restart_while_the_git_host_is_down_destroys_nothing(town: Town) -> None:  # L2, L7
    number = town.open()
    await town.live(minutes=1)
    await town.kill()
    town.forge.hide(town.shop)
    await town.live(minutes=10)
    assert town.stack(number) is not None
    assert all(each.verb is not Verb.DESTROY for each in town.stacks.started)
    town.forge.hide(town.shop, hidden=False)
    await town.live(minutes=1)
    assert town.phase(number) is Phase.READY


async def test_the_time_to_live_survives_a_restart(town: Town) -> None:  # L5
    number = town.open()
    await town.skip(hours=40)
    await town.kill()
    await town.skip(hours=30)
    assert town.phase(number) is Phase.READY
    await town.skip(hours=3)
    assert town.stack(number) is None


async def test_a_failed_destroy_is_remembered_by_its_stack(town: Town) -> None:  # L7
    number = town.open()
    await town.live(minutes=1)
    town.stacks.fail(town.ref(number), "a namespace hangs", times=3, verb=Verb.DESTROY)
    town.forge.close_pull(town.shop, number)
    await town.live(minutes=1)
    await town.kill()
    await town.live(hours=1)
    assert town.stacks.records == {}
