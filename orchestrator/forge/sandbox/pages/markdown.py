"""What people wrote, as HTML that can do no harm: everything is escaped, a few harmless tags are let through."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

HIDDEN = re.compile(r"<!--.*?-->", re.DOTALL)
HARMLESS = ("details", "summary", "sub", "sup", "kbd")

_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


def render(text: str) -> Markup:
    html = str(_parser.render(HIDDEN.sub("", text)))
    html = html.replace("&lt;br&gt;", "<br>")
    for tag in HARMLESS:
        opening, closing = f"&lt;{tag}&gt;", f"&lt;/{tag}&gt;"
        if html.count(opening) == html.count(closing):
            html = html.replace(opening, f"<{tag}>").replace(closing, f"</{tag}>")
    return Markup(html)  # noqa: S704 - the parser escapes all HTML; only bare tags of HARMLESS come back
