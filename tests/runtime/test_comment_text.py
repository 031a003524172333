"""Which lines of a comment are its writer's own words, and everything that only looks like it. Proves P8, S3."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from orchestrator.core.chat_commands import ChatCommand, ChatVerb, parse
from orchestrator.service.chat import comment_text


def parse_comment(body: str) -> tuple[object, ...]:
    return parse(comment_text.authored_lines(body))


@pytest.mark.parametrize(
    "body",
    [
        "/eph up",
        "/eph up \r\n",
        "Thanks!\n\n/eph up\n\nbye",
        "Thanks!\n/eph up",
        "> somebody said\n\n/eph up",
        "```sh\nmake\n```\n/eph up",
        "``` not ` a fence\n/eph up",
        "- item\n  ```\n  make\n  ```\n\n/eph up",
        "- item\n  ```\n/eph up",
    ],
)
def test_command_lines_are_found(body: str) -> None:
    assert parse_comment(body) == (ChatCommand(ChatVerb.UP),)


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
        "- item\n  ```\n> quote\n  ```\n/eph down",
        "text\n2. one\n   ```\n/eph down",
        "<details>\n\n/eph down\n</details>",
    ],
)
def test_quoted_and_code_lines_are_ignored(body: str) -> None:
    """P8: quoted, in a code block, hidden, or in the middle of a sentence."""
    assert parse_comment(body) == ()


class PlainTextReader(HTMLParser):
    """The lines that are read as somebody's own words: in no quote and no code, of the page that is really shown."""

    def __init__(self) -> None:
        super().__init__()
        self.within: list[str] = []
        self.lines: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("blockquote", "pre", "code"):
            self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.within:
            self.within.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self.within:
            self.lines += data.split("\n")


lines = st.sampled_from(
    ["/eph down", "> quote", "", "```", "~~~", "````", "text", "    code", "- item", "> ```", "<!--", "-->", "# head",
     "```sh", "  ```", "1. one", "2. two", "   > x", "---", "``` `x`", "  - in", "<pre>", "</pre>"]
)  # fmt: skip


@given(st.lists(lines, max_size=9))
@settings(max_examples=300, derandomize=True, database=None)
@example(["- ```", "/eph down"])
@example(["> ```", "/eph down"])
@example(["- item", "  ```", "> quote", "  ```", "/eph down"])
@example(["``` `x`", "/eph down", "``` `x`"])
def test_accepted_commands_render_as_plain_text(text: list[str]) -> None:
    """A reader of the page sees each command that is heard."""
    body = "\n".join(text)
    page = PlainTextReader()
    page.feed(MarkdownIt("commonmark").render(body))
    assert list(comment_text.authored_lines(body)).count("/eph down") <= page.lines.count("/eph down")


@given(st.text(max_size=300))
@settings(max_examples=100)
def test_any_text_is_parsed(body: str) -> None:
    assert all(line[:1].strip() for line in comment_text.authored_lines(body))
