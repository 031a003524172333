"""Finds the lines of a comment that its author wrote as plain text.

Excluded are quotes (including a line right below, which Markdown shows as part of the quote), code blocks, and HTML
comments. This uses a real Markdown parser, because simpler rules fail on cases such as a code fence that starts inside
a list and continues after it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from markdown_it import MarkdownIt

MAX_CHARACTERS = 16_384
"""Longer comments are cut off: a parser is slow on a page of nothing but list items."""
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HIDDEN = re.compile(
    r"<(pre|script|style|textarea|blockquote|details|template)\b.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
_READER = MarkdownIt("commonmark").disable("inline")
"""Blocks only."""
_INLINE_READER = MarkdownIt("commonmark")


def authored_lines(body: str) -> Iterator[str]:
    """Return these lines if they start at the left margin, without trailing spaces."""
    text = _COMMENT.sub("\n\n", body[:MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n"))
    text = _HIDDEN.sub("\n\n", text)
    raw, quotes = text.split("\n"), 0
    for token in _READER.parse(text):
        quotes += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
        if token.type == "inline" and token.map and not quotes:
            mine = [line.rstrip() for line in raw[slice(*token.map)] if line[:1].strip()]
            yield from _outside_of_code(token.content, mine) if "`" in token.content else mine


def _outside_of_code(block: str, block_lines: list[str]) -> list[str]:
    """Drop lines that are part of inline code, which may span several lines of a paragraph."""
    shown = [""]
    for part in _INLINE_READER.parseInline(block)[0].children or []:
        if part.type in ("softbreak", "hardbreak"):
            shown.append("")
        else:
            shown[-1] += part.content
    left = Counter(shown)
    left.subtract(block_lines)
    hidden = -left
    return [line for line in block_lines if not hidden[line]]
