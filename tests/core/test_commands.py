"""Chat commands as people write them, and everything that only looks like one. Proves P8 (what counts), S3."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.commands import Command, Misunderstood, Verb, parse


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/eph up", Command(Verb.UP)),
        ("/eph down", Command(Verb.DOWN)),
        ("/eph retry", Command(Verb.RETRY)),
        ("/eph keep", Command(Verb.KEEP)),
        ("/eph wake", Command(Verb.WAKE)),
        ("/eph logs", Command(Verb.LOGS)),
        ("/eph why", Command(Verb.WHY)),
        ("/eph help", Command(Verb.HELP)),
        ("/eph", Command(Verb.HELP)),
        ("/EPH  Down  ", Command(Verb.DOWN)),
        ("/eph\tup", Command(Verb.UP)),
        ("/eph extend", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/eph extend 24h", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/eph extend 2D", Command(Verb.EXTEND, timedelta(days=2))),
        ("/eph extend 90m", Command(Verb.EXTEND, timedelta(minutes=90))),
        ("/eph approve", Command(Verb.APPROVE)),
        ("/eph approve 1A2B3C4", Command(Verb.APPROVE, commit="1a2b3c4")),
    ],
)
def test_what_people_write(line: str, command: Command) -> None:
    assert parse([line]) == (command,)


@pytest.mark.parametrize(
    "line", ["", "please /eph up", "`/eph up`", " /eph up", "/ephemeral up", "/eph-up", "\\/eph down"]
)
def test_what_is_no_command(line: str) -> None:
    assert parse([line]) == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("upp", "no command"),
        ("extend forever", "24h"),
        ("extend 0h", "more than nothing"),
        ("extend 1h 2h", "24h"),
        ("approve everything", "seven digits"),
        ("down now", "nothing behind it"),
        ("@acme/all", "no command"),
    ],
)
def test_what_cannot_be_understood_says_why(line: str, why: str) -> None:
    [said] = parse([f"/eph {line}"])
    assert isinstance(said, Misunderstood)
    assert said.line == line
    assert why in said.why


def test_several_in_one_comment_are_heard_in_order_and_not_without_end() -> None:
    assert parse(["/eph up", "Thanks!", "/eph why"]) == (Command(Verb.UP), Command(Verb.WHY))
    many = parse(["/eph why"] * 50)
    assert many[:3] == (Command(Verb.WHY),) * 3
    assert len(many) == 4
    assert isinstance(many[3], Misunderstood)


@given(st.text(max_size=300))
@settings(max_examples=100)
def test_no_words_break_it(body: str) -> None:
    for said in parse([body, f"/eph {body}"]):
        assert isinstance(said, Command | Misunderstood)


def test_a_line_that_is_a_phrase_asks_for_an_environment() -> None:
    """L3: exactly the line."""
    phrases = ("please preview", "/eph deploy")
    asked = (Command(Verb.UP),)
    assert parse(["Looks good!", "", "please preview", "Thanks"], phrases) == asked
    assert parse(["/eph deploy"], phrases) == asked, "a phrase counts before a command"
    assert len(parse(["please preview", "/eph why"], phrases)) == 2
    for line in ("please preview this", "Please Preview", "would you please preview"):
        assert parse([line], phrases) == (), line
    assert parse(["please preview"]) == ()
