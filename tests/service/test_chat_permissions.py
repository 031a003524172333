"""Which chat commands are refused, and which approvals count: P8, S1."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeRefused, ForgeUnavailable, Reaction
from orchestrator.service.chat.command_listener import (
    MAX_COMMANDS_PER_PULL,
    MAX_COMMENT_AGE,
    MAX_REFUSALS_PER_REPOSITORY,
)
from tests.service.conftest import CONFUSED, DONE, ChatWorld


async def test_command_from_stranger_is_rejected(chat_world: ChatWorld) -> None:
    """P8, S2: whoever may not push, may not command."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    before = town.comment(number)
    assert await chat_world.ask(number, "/eph down", by="mallory") == {Reaction.REFUSED}
    assert town.phase(number) is Phase.READY
    assert town.comment(number) == before
    assert [each.actor for each in town.ledger.events(limit=999) if each.kind == "command.refused"] == ["mallory"]


@pytest.mark.parametrize("by", ["eph-bot", "dependabot[bot]"])
async def test_command_from_bot_is_ignored(chat_world: ChatWorld, by: str) -> None:
    number = chat_world.world.open_pull()
    chat_world.world.forge.grant_write(chat_world.world.shop, by)
    await chat_world.world.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph down", by=by) == frozenset()
    assert chat_world.world.phase(number) is Phase.READY


async def test_old_comments_and_closed_pull_requests_are_ignored(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number, closed = town.open_pull(), town.open_pull()
    old = town.forge.add_comment(
        town.shop, number, "/eph down", town.now - MAX_COMMENT_AGE - timedelta(seconds=1), "ada"
    )
    town.close_pull(closed)
    late = chat_world.say(closed, "/eph up")
    await town.run_for(minutes=2)
    assert chat_world.reactions(old) == chat_world.reactions(late) == frozenset()
    assert town.phase(number) is Phase.READY


async def test_missing_label_permission_is_reported(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull(label=False)
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeRefused("the token may not change labels"), "add_label")
    assert await chat_world.ask(number, "/eph up") == CONFUSED
    assert "may not change labels" in town.comment(number)


async def test_approve_applies_only_to_a_commit_that_eph_showed_before(chat_world: ChatWorld) -> None:
    """S2, pitfall 7: a commit that came later needs another comment, or its whole SHA."""
    town = chat_world.world
    number = town.open_pull(by="mallory", from_fork=True)
    await town.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph approve", by="mallory") == {Reaction.REFUSED}
    town.push(number)
    comment = chat_world.say(number, "/eph approve")
    await town.run_for(minutes=1)
    assert chat_world.reactions(comment) == CONFUSED
    assert f"/eph approve {town.head(number)}" in town.comment(number)
    assert town.running_commit(number) == ""
    assert await chat_world.ask(number, f"/eph approve {'0' * 7}") == CONFUSED
    assert await chat_world.ask(number, f"/eph approve {town.head(number)[:9]}") == DONE
    assert town.running_commit(number) == town.head(number)


async def test_whole_sha_needs_no_earlier_comment_of_eph(chat_world: ChatWorld) -> None:
    """S2: it can only name the commit that was reviewed."""
    town = chat_world.world
    number = town.open_pull(by="mallory", from_fork=True)
    assert await chat_world.ask(number, f"/eph approve {town.head(number)}") == DONE
    assert town.running_commit(number) == town.head(number)


@pytest.mark.parametrize("minutes", [-20, 0, 20])
async def test_our_clock_does_not_decide_what_was_shown(chat_world: ChatWorld, minutes: int) -> None:
    """S2: with our clock behind the host's, a commit that was pushed later looked older than the approval."""
    town = chat_world.world
    town.host_ahead = timedelta(minutes=minutes)
    number = town.open_pull(by="mallory", from_fork=True)
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeUnavailable("503"), "comments_since", count=2)
    comment = chat_world.say(number, "/eph approve")
    town.push(number)
    await town.run_for(seconds=30)
    assert town.head(number) in town.comment(number), "Eph shows the new commit before it reads the approval"
    assert chat_world.reactions(comment) == frozenset()
    await town.run_for(minutes=2)
    assert chat_world.reactions(comment) == CONFUSED
    assert town.stacks.started == []
    assert await chat_world.ask(number, "/eph approve") == DONE
    assert town.running_commit(number) == town.head(number)


async def test_same_first_digits_are_not_the_commit_that_was_shown(chat_world: ChatWorld) -> None:
    """S2: a commit with the digits of the reviewed one can be created within minutes."""
    town = chat_world.world
    number = town.open_pull(by="mallory", from_fork=True)
    await town.run_for(minutes=1)
    prefix = town.head(number)[:7]
    comment = chat_world.say(number, f"/eph approve {prefix}")
    branch = town.forge.pull(town.shop, number).head_ref
    town.forge.push(town.shop, branch, {"text": "evil"}, sha=prefix + "f" * 33)
    await town.run_for(minutes=1)
    assert chat_world.reactions(comment) == CONFUSED
    assert town.stacks.started == []


async def test_many_commands_are_rate_limited(chat_world: ChatWorld) -> None:
    """S3: strangers cost a bounded number of reactions, and do not use up what the others have."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    theirs = [chat_world.say(number, "/eph down", "mallory") for _ in range(60)]
    ours = [chat_world.say(number, "/eph why") for _ in range(15)]
    await town.run_for(minutes=1)
    assert sum(bool(chat_world.reactions(each)) for each in theirs) == MAX_REFUSALS_PER_REPOSITORY
    assert sum(bool(chat_world.reactions(each)) for each in ours) == MAX_COMMANDS_PER_PULL
    await town.run_for(minutes=12)
    assert all(chat_world.reactions(each) == DONE for each in ours)
