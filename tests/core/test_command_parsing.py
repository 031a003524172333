"""Chat commands as people write them, and everything that only looks like one. Proves P8 (what counts), S3."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.chat_commands import ChatCommand, ChatVerb, CommandProblem, InvalidCommand, parse


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/eph up", ChatCommand(ChatVerb.UP)),
        ("/eph down", ChatCommand(ChatVerb.DOWN)),
        ("/eph retry", ChatCommand(ChatVerb.RETRY)),
        ("/eph keep", ChatCommand(ChatVerb.KEEP)),
        ("/eph wake", ChatCommand(ChatVerb.WAKE)),
        ("/eph restart", ChatCommand(ChatVerb.RESTART)),
        ("/eph restart web-1", ChatCommand(ChatVerb.RESTART, service="web-1")),
        ("/eph reset-db", ChatCommand(ChatVerb.RESET_DB)),
        ("/eph reset-db main", ChatCommand(ChatVerb.RESET_DB, database="main")),
        ("/eph logs", ChatCommand(ChatVerb.LOGS)),
        ("/eph why", ChatCommand(ChatVerb.WHY)),
        ("/eph help", ChatCommand(ChatVerb.HELP)),
        ("/eph", ChatCommand(ChatVerb.HELP)),
        ("/EPH  Down  ", ChatCommand(ChatVerb.DOWN)),
        ("/eph\tup", ChatCommand(ChatVerb.UP)),
        ("/eph extend", ChatCommand(ChatVerb.EXTEND, timedelta(hours=24))),
        ("/eph extend 24h", ChatCommand(ChatVerb.EXTEND, timedelta(hours=24))),
        ("/eph extend 2D", ChatCommand(ChatVerb.EXTEND, timedelta(days=2))),
        ("/eph extend 90m", ChatCommand(ChatVerb.EXTEND, timedelta(minutes=90))),
        ("/eph approve", ChatCommand(ChatVerb.APPROVE)),
        ("/eph approve 1A2B3C4", ChatCommand(ChatVerb.APPROVE, commit="1a2b3c4")),
    ],
)
def test_accepted_commands(line: str, command: ChatCommand) -> None:
    assert parse([line]) == (command,)


@pytest.mark.parametrize(
    "line", ["", "please /eph up", "`/eph up`", " /eph up", "/ephemeral up", "/eph-up", "\\/eph down"]
)
def test_text_that_is_not_a_command(line: str) -> None:
    assert parse([line]) == ()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("upp", CommandProblem.UNKNOWN),
        ("extend forever", CommandProblem.DURATION),
        ("extend 0h", CommandProblem.DURATION),
        ("extend 1h 2h", CommandProblem.DURATION),
        ("approve everything", CommandProblem.COMMIT),
        ("down now", CommandProblem.ARGUMENT),
        ("restart web worker", CommandProblem.ARGUMENT),
        ("restart --all", CommandProblem.ARGUMENT),
        ("reset-db main extra", CommandProblem.ARGUMENT),
        ("@acme/all", CommandProblem.UNKNOWN),
    ],
)
def test_invalid_commands_are_reported(line: str, code: CommandProblem) -> None:
    [said] = parse([f"/eph {line}"])
    assert isinstance(said, InvalidCommand)
    assert (said.line, said.code) == (line, code)


def test_several_in_one_comment_are_heard_in_order_and_not_without_end() -> None:
    assert parse(["/eph up", "Thanks!", "/eph why"]) == (ChatCommand(ChatVerb.UP), ChatCommand(ChatVerb.WHY))
    many = parse(["/eph why"] * 50)
    assert many[:3] == (ChatCommand(ChatVerb.WHY),) * 3
    assert len(many) == 4
    assert isinstance(many[3], InvalidCommand)


@given(st.text(max_size=300))
@settings(max_examples=100)
def test_any_text_is_parsed(body: str) -> None:
    for said in parse([body, f"/eph {body}"]):
        assert isinstance(said, ChatCommand | InvalidCommand)


def test_a_line_that_is_a_phrase_asks_for_an_environment() -> None:
    """L3: exactly the line."""
    phrases = ("please preview", "/eph deploy")
    asked = (ChatCommand(ChatVerb.UP),)
    assert parse(["Looks good!", "", "please preview", "Thanks"], phrases) == asked
    assert parse(["/eph deploy"], phrases) == asked, "a phrase counts before a command"
    assert len(parse(["please preview", "/eph why"], phrases)) == 2
    for line in ("please preview this", "Please Preview", "would you please preview"):
        assert parse([line], phrases) == (), line
    assert parse(["please preview"]) == ()
