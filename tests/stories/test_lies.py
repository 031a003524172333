"""A Git host that is down, lies, or forgets: nothing is lost by it. L7, L8, pitfalls 3 and 5."""

from __future__ import annotations

import pytest

from orchestrator.core.phases import Phase
from orchestrator.forge.port import ForgeUnavailable
from tests.stories.town import Town

DOWN = ForgeUnavailable("502 Bad Gateway")


async def test_a_git_host_that_is_down_for_an_hour_destroys_nothing(town: Town) -> None:  # L7, pitfall 3
    numbers = [town.open(str(each)) for each in range(4)]
    await town.live(minutes=1)
    before = dict(town.stacks.records)
    town.forge.fail_next(DOWN, count=100_000)
    await town.live(hours=1)
    assert town.stacks.records == before
    assert [town.phase(number) for number in numbers] == [Phase.READY] * 4
    assert town.said("forge.incomplete")
    town.forge._failures.clear()
    town.forge.close_pull(town.shop, numbers[0])
    await town.live(minutes=1)
    assert len(town.stacks.records) == 3
    assert town.said("forge.recovered")


async def test_what_dies_while_the_git_host_is_down_is_repaired(town: Town) -> None:  # L8
    number = town.open()
    await town.live(minutes=10)
    town.forge.fail_next(DOWN, count=100_000)
    await town.live(minutes=1)
    view = town.view(number)
    assert view is not None
    town.deaf.add(view.host)
    await town.live(minutes=2)
    assert len(town.ups(number)) > 1


async def test_an_empty_list_destroys_nothing_that_is_open(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # L7, pitfall 3
    for each in range(8):
        town.open(str(each))
    await town.live(minutes=2)
    whole = town.forge.pulls

    def empty(repository):
        found = whole(repository)
        return type(found)(found.repository, ())

    monkeypatch.setattr(town.forge, "pulls", empty)
    await town.live(minutes=20)
    assert len(town.stacks.records) == 8
    monkeypatch.undo()
    await town.live(minutes=1)
    assert {view.phase for view in town.loop.shown.views} == {Phase.READY}


async def test_a_list_that_was_cut_destroys_nothing(town: Town) -> None:  # pitfall 3
    numbers = [town.open(str(each)) for each in range(6)]
    await town.live(minutes=2)
    for _ in range(5):
        town.forge.cut_next(town.shop, 1)
        await town.live(seconds=29)
    assert len(town.stacks.records) == 6
    assert {town.phase(number) for number in numbers} == {Phase.READY}


async def test_a_repository_that_answers_404_destroys_nothing(town: Town) -> None:  # pitfall 3
    """Our access was taken away, or the repository is gone: nobody can say which."""
    for each in range(3):
        town.open(str(each))
    await town.live(minutes=1)
    town.forge.hide(town.shop)
    await town.live(hours=1)
    assert len(town.stacks.records) == 3
    town.forge.hide(town.shop, hidden=False)
    await town.live(minutes=1)
    assert {view.phase for view in town.loop.shown.views} == {Phase.READY}


async def test_a_pull_request_that_is_gone_is_destroyed_once_confirmed(town: Town) -> None:  # L7
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(DOWN, "pull", count=2)
    town.forge.vanish(town.shop, number)
    await town.live(seconds=1)
    assert len(town.stacks.records) == 1
    await town.live(minutes=3)
    assert town.stacks.records == {}


async def test_a_restart_begins_no_new_share(town: Town) -> None:  # L7, L2
    """Else a bad answer and a service that is started again and again would take everything, a share at a time."""
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:5]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=10)
    assert len(town.stacks.records) == 5
    for number in numbers[5:8]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=5)
    await town.kill()
    await town.live(minutes=5)
    assert len(town.stacks.records) == 5
    await town.live(hours=1)
    assert len(town.stacks.records) == 2


async def test_many_that_are_gone_at_once_are_held_until_approved(town: Town) -> None:  # L7
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:7]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=10)
    assert len(town.stacks.records) == 10
    plan = town.loop.shown.plan
    assert plan is not None
    assert plan.digest
    assert len(town.said("plan.held")) >= 1
    assert f"eph approve {plan.digest}" in town.said("plan.held")[-1]
    town.memory.approved_plans[plan.digest] = town.now
    await town.live(minutes=5)
    assert len(town.stacks.records) == 3


async def test_an_approval_says_nothing_of_the_next_day(town: Town) -> None:  # L7
    numbers = [town.open(str(each)) for each in range(10)]
    await town.live(minutes=2)
    for number in numbers[:7]:
        town.forge.vanish(town.shop, number)
    await town.live(minutes=1)
    plan = town.loop.shown.plan
    assert plan is not None
    assert plan.digest
    town.forge.fail_next(DOWN, count=100_000)
    await town.live(minutes=3)
    town.memory.approved_plans[plan.digest] = town.now
    await town.live(hours=2)
    town.forge._failures.clear()
    await town.live(minutes=5)
    assert len(town.stacks.records) == 10


async def test_a_file_that_breaks_our_own_code_is_its_pull_requests_trouble(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:  # S3, pitfall 5
    good, evil = town.open("good"), town.open("evil")
    await town.live(minutes=1)
    read, head = town.forge.file, town.push(evil)

    def broken(repository, path, ref, limit):
        if ref == head:
            raise RecursionError("maximum recursion depth exceeded")
        return read(repository, path, ref, limit)

    monkeypatch.setattr(town.forge, "file", broken)
    new = town.push(good)
    await town.live(minutes=1)
    assert town.runs(good) == new
    assert town.stack(evil) is not None
    assert town.phase(evil) is Phase.WAITING
