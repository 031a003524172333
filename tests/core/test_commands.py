"""Chat commands as people write them, and everything that only looks like one. Proves P8 (what counts), S3."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from orchestrator.core import commands
from orchestrator.core.commands import Command, Misunderstood, Verb, parse


@pytest.mark.parametrize(
    ("body", "command"),
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
        ("/eph\tup\r\n", Command(Verb.UP)),
        ("/eph extend", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/eph extend 24h", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/eph extend 2D", Command(Verb.EXTEND, timedelta(days=2))),
        ("/eph extend 90m", Command(Verb.EXTEND, timedelta(minutes=90))),
        ("/eph approve", Command(Verb.APPROVE)),
        ("/eph approve 1A2B3C4", Command(Verb.APPROVE, commit="1a2b3c4")),
        ("Thanks!\n\n/eph up\n\nbye", Command(Verb.UP)),
        ("Thanks!\n/eph up", Command(Verb.UP)),
        ("> somebody said\n\n/eph up", Command(Verb.UP)),
        ("```sh\nmake\n```\n/eph up", Command(Verb.UP)),
        ("``` not ` a fence\n/eph up", Command(Verb.UP)),
    ],
)
def test_what_people_write(body: str, command: Command) -> None:
    assert parse(body) == (command,)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "please /eph up",
        "`/eph up`",
        " /eph up",
        "/ephemeral up",
        "/eph-up",
        "> /eph down",
        "> somebody said\n/eph down",
        " > quote\nlazy\n/eph down",
        "```\n/eph down\n```",
        "~~~ text\n/eph down\n```\n/eph down",
        "````\n```\n/eph down\n```\n````",
        "    /eph down",
        "- /eph down",
        "<!-- \n/eph down\n-->",
        "<!--\n/eph down",
        "<pre>\n/eph down\n</pre>",
        "<BlockQuote>\n\n/eph down",
        "\\/eph down",
    ],
)
def test_what_is_not_said_to_us(body: str) -> None:
    """P8: quoted, in a code block, hidden, or in the middle of a sentence."""
    assert parse(body) == ()


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
    [said] = parse(f"/eph {line}")
    assert isinstance(said, Misunderstood)
    assert said.line == line
    assert why in said.why


def test_several_in_one_comment_are_heard_in_order_and_not_without_end() -> None:
    assert parse("/eph up\n/eph why") == (Command(Verb.UP), Command(Verb.WHY))
    many = parse("/eph why\n" * 50)
    assert many[:3] == (Command(Verb.WHY),) * 3
    assert len(many) == 4
    assert isinstance(many[3], Misunderstood)


READER = MarkdownIt("commonmark")
lines = st.sampled_from(
    ["/eph down", "> quote", "", "```", "~~~", "````", "text", "    code", "- item", "> ```", "<!--", "-->", "# head",
     "```sh", "  ```", "1. one", "   > x", "---", "``` `x`"]
)  # fmt: skip


@given(st.lists(lines, max_size=9))
@settings(max_examples=300, deadline=None)
@example(["- ```", "/eph down"])
@example(["> ```", "/eph down"])
def test_whatever_is_obeyed_is_shown_as_plain_text_at_the_margin(text: list[str]) -> None:
    """P8, S3: a reader sees each command that is obeyed, as somebody's own words. Held against a real parser."""
    body = "\n".join(text)
    shown = 0
    depth = 0
    for token in READER.parse(body):
        depth += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
        if token.type == "inline" and not depth:
            shown += token.content.split("\n").count("/eph down")
    assert len(parse(body)) <= max(shown, commands.MOST + 1 if shown > commands.MOST else shown)


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_words_break_it(body: str) -> None:
    for text in (body, f"/eph {body}"):
        assert not parse(text) or commands.is_addressed(text)
