"""What people wrote, as HTML that can do no harm: everything is escaped, a few harmless tags are let through.

Bare addresses become links, as on GitHub: a preview's URL is what people come for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
URL = re.compile(r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]])")
SAFE_TAGS = ("details", "summary", "sub", "sup", "kbd")

_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


def render(text: str) -> Markup:
    tokens = _parser.parse(HIDDEN.sub("", text))
    for token in tokens:
        if token.children:
            token.children = list(_linkify(token.children))
    html = str(_parser.renderer.render(tokens, _parser.options, {})).replace("&lt;br&gt;", "<br>")
    for tag in SAFE_TAGS:
        opening, closing = f"&lt;{tag}&gt;", f"&lt;/{tag}&gt;"
        if html.count(opening) == html.count(closing):
            html = html.replace(opening, f"<{tag}>").replace(closing, f"</{tag}>")
    return Markup(html)  # noqa: S704 - the parser escapes all HTML; only bare tags of HARMLESS come back


def _linkify(children: Sequence[Token]) -> Iterator[Token]:
    inside = 0
    for child in children:
        inside += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if child.type != "text" or inside:
            yield child
            continue
        for place, part in enumerate(URL.split(child.content)):
            text = Token("text", "", 0, content=part)
            if place % 2:
                yield from (Token("link_open", "a", 1, attrs={"href": part}), text, Token("link_close", "a", -1))
            elif part:
                yield text
