"""How a life ends by time: warned, marked, unlabelled, destroyed, told, and brought back. L5, L2, P1, pitfall 10."""

from __future__ import annotations

from orchestrator.core.phases import Phase
from orchestrator.forge.port import EXPIRED, LABEL_LEFT, LABEL_OFF, ForgeRefused, ForgeUnavailable
from tests.stories.town import Town


def mark(town: Town, number: int) -> str:
    """What our mark on the head commit says."""
    return town.forge.decisions(town.shop, town.head(number)).get(f"{EXPIRED}/pr-{number}", "")


async def test_a_warning_before_the_end(town: Town) -> None:
    number = town.open()
    await town.skip(hours=67)
    assert "Expires soon" not in town.comment(number)
    await town.skip(hours=2)
    assert "Expires soon" in town.comment(number)


async def test_at_the_end_mark_label_environment_and_a_word(town: Town) -> None:
    number = town.open()
    town.forge.label(town.shop, number, "bug")
    await town.skip(hours=73)
    assert town.stack(number) is None
    assert mark(town, number).startswith(LABEL_OFF)
    assert town.forge.pull(town.shop, number).labels == {"bug"}
    assert "Expired" in town.comment(number)
    assert "put the label on again" in town.comment(number)


async def test_the_label_put_on_again_brings_it_back_for_a_whole_life(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    url = town.url(number)
    await town.skip(hours=73)
    town.forge.label(town.shop, number, "preview")
    await town.live(minutes=5)
    assert (town.phase(number), town.url(number)) == (Phase.READY, url)
    assert mark(town, number) == ""
    await town.skip(hours=71)
    assert town.phase(number) is Phase.READY
    await town.skip(hours=2)
    assert town.stack(number) is None


async def test_the_label_put_on_again_within_a_second_is_seen_too(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    town.now = town.now.replace(day=town.now.day + 4)
    while "preview" in town.forge.pull(town.shop, number).labels:
        await town.cycle()
    town.forge.label(town.shop, number, "preview")
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY
    await town.live(hours=1)
    assert town.phase(number) is Phase.READY


async def test_a_restart_at_any_point_brings_nothing_back(town: Town) -> None:  # L2
    number = town.open()
    await town.live(minutes=1)
    town.now = town.now.replace(day=town.now.day + 4)
    for _ in range(8):
        await town.cycle()
        await town.kill()
    await town.live(hours=1)
    assert town.stack(number) is None
    assert town.forge.pull(town.shop, number).labels == frozenset()
    assert town.ups(number) == [town.head(number)]


async def test_a_label_that_we_may_not_take_off_stays_and_the_rest_goes_on(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(ForgeRefused("403: the token may not change labels"), "remove_label", count=50)
    await town.skip(hours=73)
    await town.live(hours=1)
    assert town.stack(number) is None
    assert town.phase(number) is Phase.EXPIRED
    assert mark(town, number).startswith(LABEL_LEFT)
    assert len(town.said("cycle.failed")) == 1
    town.ask("retry", number)
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY


async def test_a_host_that_is_down_just_then_is_asked_again(town: Town) -> None:
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(ForgeUnavailable("502"), "remove_label", count=2)
    town.forge.fail_next(ForgeUnavailable("502"), "mark", count=2)
    await town.skip(hours=73)
    await town.live(minutes=5)
    assert mark(town, number).startswith(LABEL_OFF)
    assert town.stack(number) is None


async def test_two_pull_requests_of_one_commit_have_each_its_own_time(town: Town) -> None:
    first = town.open()
    await town.skip(hours=48)
    branch = town.forge.pull(town.shop, first).head_ref
    second = town.forge.open_pull(town.shop, branch)
    town.forge.label(town.shop, second, "preview")
    await town.live(minutes=1)
    await town.skip(hours=25)
    assert (town.stack(first), town.phase(second)) == (None, Phase.READY)


async def test_a_mark_of_an_earlier_version_still_counts(town: Town) -> None:
    """It was of the commit alone, and the label stayed on."""
    number = town.open()
    town.forge.mark(town.shop, town.head(number), EXPIRED, "Expired after 72 h")
    await town.live(minutes=5)
    assert town.stacks.started == []
    town.forge.label(town.shop, number, "preview")
    await town.live(minutes=5)
    assert town.phase(number) is Phase.READY
