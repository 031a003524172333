"""Chat commands from the comment to what comes of them in the world: P8, L2 (once, over kills), S2, S3, O1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.app.desk import LocalDesk
from orchestrator.app.hands import DeskHands
from orchestrator.core.phases import Phase
from orchestrator.forge.port import ForgeRefused, ForgeUnavailable, NotThere, Reaction, Unsupported
from orchestrator.runtime.commands import HEARD_FOR, MOST_OBEYED, MOST_REFUSED, Commands
from stacks.model import StackRef
from tests.app.desks import behind
from tests.stories.town import BAD_YAML, EPH_YAML, Town

DONE = frozenset({Reaction.SEEN, Reaction.DONE})
CONFUSED = frozenset({Reaction.SEEN, Reaction.CONFUSED})


class Chat:
    """A town whose Eph listens. ``ask`` writes a comment and lets some time go by; gives our reactions to it."""

    def __init__(self, folder: Path) -> None:
        self.town = Town()
        self._folder = folder
        self.logs: list[str] = []
        self.listen()

    def listen(self) -> None:
        """A life that remembers nothing of what was said."""
        town = self.town
        desk = LocalDesk(behind(town, self._folder))
        desk.logs = self._logs
        recipes = town._recipes()
        hands = DeskHands(desk, town.forge, town.memory, lambda home, pull: recipes.of(home, pull, "").labels)
        self.commands = Commands(town.forge, hands, town.journal, town.clock)
        town.loop.audience = (*town.loop.audience, self.commands.show)
        town.herald.replies = lambda: self.commands.replies
        self._report = town.herald.report
        town.herald.report = self._turn_and_report

    async def _logs(self, *_: object) -> list[str]:
        return self.logs

    async def _turn_and_report(self) -> None:
        """As the tasks of ephd do after each cycle."""
        await self.commands.turn()
        await self._report()

    async def kill(self) -> None:
        await self.town.kill()
        self.listen()

    async def ask(self, number: int, body: str, by: str = "ada", **span: float) -> frozenset[Reaction]:
        comment = self.say(number, body, by)
        await self.town.live(**(span or {"minutes": 1}))
        return self.reactions(comment)

    def say(self, number: int, body: str, by: str = "ada") -> int:
        return self.town.forge.say(self.town.shop, number, body, self.town.now, by)

    def reactions(self, comment: int) -> frozenset[Reaction]:
        return self.town.forge.reactions(self.town.shop, comment)


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    made = Chat(tmp_path)
    yield made
    await made.town.close()


async def test_up_puts_the_label_on_and_the_environment_comes(chat: Chat) -> None:
    town = chat.town
    number = town.open(label=False)
    await town.live(minutes=1)
    assert await chat.ask(number, "/eph up") == DONE
    assert town.forge.pull(town.shop, number).labels == {"preview"}
    assert town.phase(number) is Phase.READY
    assert "`/eph up` by `ada`: The label preview asks" in town.comment(number)


PHRASES = EPH_YAML + "triggers:\n  - {type: comment, phrases: [please preview, /deploy]}\n"


async def test_a_phrase_of_the_default_branchs_file_asks_as_up_does(chat: Chat) -> None:
    """L3, S2: from people with write access only, found by polling, obeyed once, kept as the server's label."""
    town = chat.town
    number = town.open(label=False)
    town.forge.push(town.shop, "main", {"eph.yaml": PHRASES})
    await town.live(minutes=3)
    assert await chat.ask(number, "/deploy", by="mallory") == {Reaction.REFUSED}
    assert town.forge.pull(town.shop, number).labels == frozenset()
    comment = chat.say(number, "Nice!\n\nplease preview")
    await town.live(minutes=1)
    assert chat.reactions(comment) == DONE
    assert town.forge.pull(town.shop, number).labels == {"preview"}
    assert town.phase(number) is Phase.READY
    told = [each.message for each in town.ledger.events(limit=999) if each.kind == "command.obeyed"]
    await chat.kill()
    await town.live(minutes=2)
    assert [each.message for each in town.ledger.events(limit=999) if each.kind == "command.obeyed"] == told


async def test_a_pull_request_cannot_bring_phrases_of_its_own(chat: Chat) -> None:
    """S3"""
    town = chat.town
    number = town.open(files={"eph.yaml": PHRASES}, label=False)
    await town.live(minutes=3)
    assert await chat.ask(number, "please preview") == frozenset()


async def test_down_takes_the_label_off_and_up_brings_it_back(chat: Chat) -> None:
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    assert await chat.ask(number, "/eph down") == DONE
    assert town.stack(number) is None
    assert "Removed" in town.comment(number)
    assert await chat.ask(number, "/eph up") == DONE
    assert town.phase(number) is Phase.READY


async def test_up_brings_back_what_had_expired(chat: Chat) -> None:
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    await town.skip(hours=73)
    await town.live(minutes=2)
    assert town.stack(number) is None
    assert await chat.ask(number, "/eph up") == DONE
    assert town.phase(number) is Phase.READY


async def test_retry_tries_again_what_had_given_up(chat: Chat) -> None:
    town = chat.town
    number = town.open()
    town.stacks.fail(town.ref(number), "exit code 2", times=5)
    await town.live(minutes=50)
    assert town.phase(number) is Phase.STALLED
    assert await chat.ask(number, "/eph retry") == DONE
    assert town.phase(number) is Phase.READY


async def test_extend_and_keep_reach_the_stack_itself(chat: Chat) -> None:
    """P8: the last word comes when a kill can take nothing back."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    before = town.view(number)
    assert before is not None
    assert before.expires_at is not None
    assert await chat.ask(number, "/eph extend 24h") == DONE
    view = town.view(number)
    assert view is not None
    assert view.expires_at is not None
    assert timedelta(0) <= before.expires_at + timedelta(hours=24) - view.expires_at < timedelta(seconds=1)
    assert await chat.ask(number, "/eph keep") == DONE
    record = town.stack(number)
    assert record is not None
    assert record.tag is not None
    assert record.tag.keep


async def test_a_wish_that_is_not_in_its_home_yet_survives_a_kill(chat: Chat) -> None:
    """L2: seen, and not yet done: the next life does it."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    town.hold(number)
    town.push(number)
    await town.live(minutes=1)  # its lane is taken by an update
    comment = chat.say(number, "/eph extend 24h")
    await town.live(seconds=5)
    assert chat.reactions(comment) == {Reaction.SEEN}
    await chat.kill()
    await town.live(minutes=2)
    after = town.stack(number)
    assert after is not None
    assert after.tag is not None
    assert after.tag.extended_until is not None
    assert chat.reactions(comment) == DONE


async def test_what_was_obeyed_is_obeyed_once(chat: Chat) -> None:
    """P8: neither a restart, nor a webhook that comes twice, nor an edit does it again."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    comment = chat.say(number, "/eph extend 24h")
    for _ in range(3):
        town.wakes.wake(look=True)
    await town.live(minutes=1)
    first = town.stack(number)
    await chat.kill()
    await town.live(minutes=2)
    town.forge.edit(town.shop, comment, "/eph down")
    await town.live(minutes=2)
    second = town.stack(number)
    assert first is not None
    assert second is not None
    assert first.tag == second.tag
    assert town.phase(number) is Phase.READY
    assert len(town.said("intent.extend")) == 1


async def test_why_logs_and_help_answer_in_our_one_comment(chat: Chat) -> None:
    """P1, P8: the newest answer stands there, and there is never a second comment."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    chat.logs = ["GET / 200", "```", "@acme/all look <img src=x>"]
    assert await chat.ask(number, "/eph logs") == DONE
    assert "GET / 200\n```\n@acme" in town.comment(number)
    assert await chat.ask(number, "/eph why") == DONE
    assert "GET / 200" not in town.comment(number)
    assert "is built, as wanted" in town.comment(number)
    assert await chat.ask(number, "/eph") == DONE
    assert "- extend 24h:" in town.comment(number)
    await town.skip(hours=7)
    assert "- extend 24h:" not in town.comment(number)


async def test_waking_what_does_not_sleep_says_so(chat: Chat) -> None:
    number = chat.town.open()
    await chat.town.live(minutes=1)
    assert await chat.ask(number, "/eph wake") == DONE
    assert "is not asleep" in chat.town.comment(number)


async def test_help_comes_where_there_is_no_environment_too(chat: Chat) -> None:
    town = chat.town
    number = town.open(label=False)
    await town.live(minutes=1)
    assert town.comment(number) == ""
    assert await chat.ask(number, "/eph retry") == CONFUSED
    assert "No environment" in town.comment(number)
    assert "/eph up asks for one" in town.comment(number)


async def test_an_answer_does_not_cover_the_last_word(chat: Chat) -> None:
    """P1: it says removed long after the answer is forgotten."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    await chat.ask(number, "/eph why")
    town.forge.merge(town.shop, number)
    await town.live(minutes=5)
    assert "Removed" in town.comment(number)


async def test_strangers_get_a_thumb_down_and_nothing_else(chat: Chat) -> None:
    """P8, S2: whoever may not push, may not command."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    before = town.comment(number)
    assert await chat.ask(number, "/eph down", by="mallory") == {Reaction.REFUSED}
    assert town.phase(number) is Phase.READY
    assert town.comment(number) == before
    assert [each.actor for each in town.ledger.events(limit=999) if each.kind == "command.refused"] == ["mallory"]


@pytest.mark.parametrize("by", ["eph-bot", "dependabot[bot]"])
async def test_a_program_never_runs_anything(chat: Chat, by: str) -> None:
    number = chat.town.open()
    chat.town.forge.allow(chat.town.shop, by)
    await chat.town.live(minutes=1)
    assert await chat.ask(number, "/eph down", by=by) == frozenset()
    assert chat.town.phase(number) is Phase.READY


async def test_what_is_not_understood_gets_help(chat: Chat) -> None:
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    assert await chat.ask(number, "/eph upp") == CONFUSED
    assert "'upp' is no command" in town.comment(number)
    assert "- down: takes the label off" in town.comment(number)


async def test_old_comments_and_closed_pull_requests_are_history(chat: Chat) -> None:
    town = chat.town
    number, closed = town.open(), town.open()
    old = town.forge.say(town.shop, number, "/eph down", town.now - HEARD_FOR - timedelta(seconds=1), "ada")
    town.forge.close_pull(town.shop, closed)
    late = chat.say(closed, "/eph up")
    await town.live(minutes=2)
    assert chat.reactions(old) == chat.reactions(late) == frozenset()
    assert town.phase(number) is Phase.READY


async def test_a_git_host_in_trouble_is_asked_again(chat: Chat) -> None:
    """L2: nothing that was said is lost by an answer that does not come."""
    town = chat.town
    number = town.open(label=False)
    await town.live(minutes=1)
    comment = chat.say(number, "/eph up")
    for verb in ("comments_since", "may_write", "react", "add_label"):
        town.forge.fail_next(ForgeUnavailable("502"), verb)
        await town.live(seconds=31)
    await town.live(minutes=1)
    assert chat.reactions(comment) == DONE
    assert town.phase(number) is Phase.READY


async def test_a_label_that_we_may_not_put_on_is_an_answer(chat: Chat) -> None:
    town = chat.town
    number = town.open(label=False)
    await town.live(minutes=1)
    town.forge.fail_next(ForgeRefused("the token may not change labels"), "add_label")
    assert await chat.ask(number, "/eph up") == CONFUSED
    assert "may not change labels" in town.comment(number)


async def test_approve_is_for_the_commit_that_was_there_to_be_seen(chat: Chat) -> None:
    """S2, pitfall 7: a push that came later needs a word of its own, or the commit's number."""
    town = chat.town
    number = town.open(by="mallory", from_fork=True)
    await town.live(minutes=1)
    assert await chat.ask(number, "/eph approve", by="mallory") == {Reaction.REFUSED}
    town.push(number)
    comment = chat.say(number, "/eph approve")
    await town.live(minutes=1)
    assert chat.reactions(comment) == CONFUSED
    assert "approve again" in town.comment(number)
    assert town.runs(number) == ""
    assert await chat.ask(number, f"/eph approve {'0' * 7}") == CONFUSED
    assert await chat.ask(number, f"/eph approve {town.head(number)[:9]}") == DONE
    assert town.runs(number) == town.head(number)


async def test_a_flood_is_answered_a_few_at_a_time(chat: Chat) -> None:
    """S3: strangers cost a bounded number of reactions, and do not use up what the others have."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    theirs = [chat.say(number, "/eph down", "mallory") for _ in range(60)]
    ours = [chat.say(number, "/eph why") for _ in range(15)]
    await town.live(minutes=1)
    assert sum(bool(chat.reactions(each)) for each in theirs) == MOST_REFUSED
    assert sum(bool(chat.reactions(each)) for each in ours) == MOST_OBEYED
    await town.live(minutes=12)
    assert all(chat.reactions(each) == DONE for each in ours)


async def test_a_host_without_reactions_is_obeyed_once_in_a_life(chat: Chat) -> None:
    """And never for what was said before it, for nobody knows whether that was done."""
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(Unsupported("this Git host has no reactions"), "react", count=999)
    chat.say(number, "/eph extend 24h")
    await town.live(minutes=3)
    assert len(town.said("intent.extend")) == 1
    await chat.kill()
    await town.live(minutes=3)
    assert len(town.said("intent.extend")) == 1


async def test_a_comment_that_is_deleted_meanwhile_breaks_nothing(chat: Chat) -> None:
    town = chat.town
    number = town.open()
    await town.live(minutes=1)
    town.forge.fail_next(NotThere("no such comment"), "react", count=2)
    await chat.ask(number, "/eph why")
    assert await chat.ask(number, "/eph why") == DONE


async def test_a_host_that_lists_no_comments_says_so_once(chat: Chat) -> None:
    town = chat.town
    town.forge.fail_next(Unsupported("acme/shop: this Git host does not list comments"), "comments_since", count=999)
    number = town.open()
    await town.skip(hours=3)
    assert town.phase(number) is Phase.READY
    assert len([said for said in town.said("cycle.failed") if "does not list" in said]) == 1


async def test_a_wrong_file_is_no_reason_to_be_silent(chat: Chat) -> None:
    town = chat.town
    number = town.open(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.live(minutes=1)
    assert await chat.ask(number, "/eph why") == DONE
    assert "is not valid" in town.comment(number)
    assert isinstance(town.ref(number), StackRef)
