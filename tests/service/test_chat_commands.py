"""Chat commands from the comment to what comes of them in the world: P8, L2 (once, over kills), S2, S3, O1."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import ForgeNotFound, ForgeUnavailable, ForgeUnsupported, Reaction
from stacks.model import StackRef
from tests.service.conftest import CONFUSED, DONE, ChatWorld
from tests.worlds.eph_files import BAD_YAML, EPH_YAML, eph_yaml


async def test_up_adds_the_label_and_creates_the_environment(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull(label=False)
    await town.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph up") == DONE
    assert town.forge.pull(town.shop, number).labels == {"preview"}
    assert town.phase(number) is Phase.READY
    assert "`/eph up` by `ada`: Added the label preview" in town.comment(number)


PHRASES = EPH_YAML + "triggers:\n  - {type: comment, phrases: [please preview, /deploy]}\n"


async def test_a_phrase_in_the_default_branchs_eph_yaml_works_like_up(chat_world: ChatWorld) -> None:
    """L3, S2: from people with write access only, found by polling, obeyed once, kept as the server's label."""
    town = chat_world.world
    number = town.open_pull(label=False)
    town.forge.push(town.shop, "main", {"eph.yaml": PHRASES})
    await town.run_for(minutes=3)
    assert await chat_world.ask(number, "/deploy", by="mallory") == {Reaction.REFUSED}
    assert town.forge.pull(town.shop, number).labels == frozenset()
    comment = chat_world.say(number, "Nice!\n\nplease preview")
    await town.run_for(minutes=1)
    assert chat_world.reactions(comment) == DONE
    assert town.forge.pull(town.shop, number).labels == {"preview"}
    assert town.phase(number) is Phase.READY
    told = [each.message for each in town.ledger.events(limit=999) if each.kind == "command.obeyed"]
    await chat_world.kill()
    await town.run_for(minutes=2)
    assert [each.message for each in town.ledger.events(limit=999) if each.kind == "command.obeyed"] == told


async def test_a_pull_request_cant_define_phrases(chat_world: ChatWorld) -> None:
    """S3"""
    town = chat_world.world
    number = town.open_pull(files={"eph.yaml": PHRASES}, label=False)
    await town.run_for(minutes=3)
    assert await chat_world.ask(number, "please preview") == frozenset()


async def test_down_removes_the_label_and_up_adds_it_again(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph down") == DONE
    assert town.stack(number) is None
    assert "Destroyed" in town.comment(number)
    assert await chat_world.ask(number, "/eph up") == DONE
    assert town.phase(number) is Phase.READY


async def test_up_recreates_an_expired_environment(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    await town.skip_ahead(hours=73)
    await town.run_for(minutes=2)
    assert town.stack(number) is None
    assert await chat_world.ask(number, "/eph up") == DONE
    assert town.phase(number) is Phase.READY


async def test_retry_retries_a_stalled_environment(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull()
    town.stacks.fail(town.ref(number), "exit code 2", times=5)
    await town.run_for(minutes=50)
    assert town.phase(number) is Phase.STALLED
    assert await chat_world.ask(number, "/eph retry") == DONE
    assert town.phase(number) is Phase.READY


async def test_extend_and_keep_are_stored_on_the_stack(chat_world: ChatWorld) -> None:
    """P8: the last word comes when a kill can take nothing back."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    before = town.view(number)
    assert before is not None
    assert before.expires_at is not None
    assert await chat_world.ask(number, "/eph extend 24h") == DONE
    view = town.view(number)
    assert view is not None
    assert view.expires_at is not None
    assert timedelta(0) <= before.expires_at + timedelta(hours=24) - view.expires_at < timedelta(seconds=1)
    assert await chat_world.ask(number, "/eph keep") == DONE
    record = town.stack(number)
    assert record is not None
    assert record.tag is not None
    assert record.tag.keep


async def test_unpersisted_request_survives_a_kill(chat_world: ChatWorld) -> None:
    """L2: seen, and not yet done: the next life does it."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.hold(number)
    town.push(number)
    await town.run_for(minutes=1)  # its lane is taken by an update
    comment = chat_world.say(number, "/eph extend 24h")
    await town.run_for(seconds=5)
    assert chat_world.reactions(comment) == {Reaction.SEEN}
    await chat_world.kill()
    await town.run_for(minutes=2)
    after = town.stack(number)
    assert after is not None
    assert after.tag is not None
    assert after.tag.extended_until is not None
    assert chat_world.reactions(comment) == DONE


async def test_command_is_executed_once(chat_world: ChatWorld) -> None:
    """P8: neither a restart, nor a webhook that comes twice, nor an edit does it again."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    comment = chat_world.say(number, "/eph extend 24h")
    for _ in range(3):
        town.wakeups.wake(refresh=True)
    await town.run_for(minutes=1)
    first = town.stack(number)
    await chat_world.kill()
    await town.run_for(minutes=2)
    town.forge.edit_comment(town.shop, comment, "/eph down")
    await town.run_for(minutes=2)
    second = town.stack(number)
    assert first is not None
    assert second is not None
    assert first.tag == second.tag
    assert town.phase(number) is Phase.READY
    assert len(town.event_messages("intent.extend")) == 1


async def test_why_logs_and_help_reply_in_the_same_comment(chat_world: ChatWorld) -> None:
    """P1, P8: the newest answer stands there, and there is never a second comment."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    chat_world.world.target.printed = ["GET / 200", "```", "@acme/all look <img src=x>"]
    assert await chat_world.ask(number, "/eph logs") == DONE
    assert "GET / 200\n```\n@acme" in town.comment(number)
    assert await chat_world.ask(number, "/eph why") == DONE
    assert "GET / 200" not in town.comment(number)
    assert "is deployed" in town.comment(number)
    assert await chat_world.ask(number, "/eph") == DONE
    assert "- extend 24h:" in town.comment(number)
    await town.skip_ahead(hours=7)
    assert "- extend 24h:" not in town.comment(number)


async def test_wake_of_an_awake_environment_is_reported(chat_world: ChatWorld) -> None:
    number = chat_world.world.open_pull()
    await chat_world.world.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph wake") == DONE
    assert "is already awake" in chat_world.world.comment(number)


async def test_help_works_without_an_environment(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull(label=False)
    await town.run_for(minutes=1)
    assert town.comment(number) == ""
    assert await chat_world.ask(number, "/eph retry") == CONFUSED
    assert "No environment" in town.comment(number)
    assert "Comment /eph up to create one" in town.comment(number)


async def test_reply_does_not_replace_the_final_report(chat_world: ChatWorld) -> None:
    """P1: it says removed long after the answer is forgotten."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    await chat_world.ask(number, "/eph why")
    town.merge(number)
    await town.run_for(minutes=5)
    assert "Destroyed" in town.comment(number)


async def test_unknown_command_replies_with_help(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph upp") == CONFUSED
    assert "Unknown command 'upp'" in town.comment(number)
    assert "- down: remove the trigger label" in town.comment(number)


async def test_command_is_retried_when_the_forge_is_down(chat_world: ChatWorld) -> None:
    """L2: nothing that was said is lost by an answer that does not come."""
    town = chat_world.world
    number = town.open_pull(label=False)
    await town.run_for(minutes=1)
    comment = chat_world.say(number, "/eph up")
    for verb in ("comments_since", "may_write", "react", "add_label"):
        town.forge.fail_next(ForgeUnavailable("502"), verb)
        await town.run_for(seconds=31)
    await town.run_for(minutes=1)
    assert chat_world.reactions(comment) == DONE
    assert town.phase(number) is Phase.READY


async def test_a_host_without_reactions_executes_a_command_once_per_process(chat_world: ChatWorld) -> None:
    """And never for what was said before it, for nobody knows whether that was done."""
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeUnsupported("this Git host has no reactions"), "react", count=999)
    chat_world.say(number, "/eph extend 24h")
    await town.run_for(minutes=3)
    assert len(town.event_messages("intent.extend")) == 1
    await chat_world.kill()
    await town.run_for(minutes=3)
    assert len(town.event_messages("intent.extend")) == 1


async def test_a_deleted_comment_breaks_nothing(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    town.forge.fail_next(ForgeNotFound("no such comment"), "react", count=2)
    await chat_world.ask(number, "/eph why")
    assert await chat_world.ask(number, "/eph why") == DONE


async def test_forge_without_comment_listing_is_reported_once(chat_world: ChatWorld) -> None:
    town = chat_world.world
    town.forge.fail_next(
        ForgeUnsupported("acme/shop: this Git host does not list comments"), "comments_since", count=999
    )
    number = town.open_pull()
    await town.skip_ahead(hours=3)
    assert town.phase(number) is Phase.READY
    assert len([said for said in town.event_messages("cycle.failed") if "does not list" in said]) == 1


async def test_restart_restarts_one_service_or_says_which_exist(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull()
    await town.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph restart web", by="mallory") == {Reaction.REFUSED}
    assert await chat_world.ask(number, "/eph restart web") == DONE
    assert [service for _, service in town.target.restarted] == ["web"]
    assert Reaction.CONFUSED in await chat_world.ask(number, "/eph restart worker")
    assert "Services: web" in town.comment(number)


async def test_reset_db_deletes_nothing_unless_the_database_is_named(chat_world: ChatWorld) -> None:
    """D4"""
    town = chat_world.world
    number = town.open_pull(files=eph_yaml("database:\n  instances:\n    - {name: main}\n"))
    await town.run_for(minutes=1)
    assert Reaction.CONFUSED in await chat_world.ask(number, "/eph reset-db")
    assert "/eph reset-db main" in town.comment(number)
    assert await chat_world.ask(number, "/eph reset-db main", by="mallory") == {Reaction.REFUSED}
    assert not [each for each in town.stacks.started if each.resets]
    assert await chat_world.ask(number, "/eph reset-db main") == DONE
    assert [each.resets for each in town.stacks.started if each.resets] == [("main",)]


async def test_invalid_eph_yaml_does_not_block_commands(chat_world: ChatWorld) -> None:
    town = chat_world.world
    number = town.open_pull(files={"text": "x", "eph.yaml": BAD_YAML})
    await town.run_for(minutes=1)
    assert await chat_world.ask(number, "/eph why") == DONE
    assert "is invalid" in town.comment(number)
    assert isinstance(town.ref(number), StackRef)
