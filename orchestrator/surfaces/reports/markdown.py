"""Escapes other people's text in our Markdown, so that it is nothing but text (S3).

Git hosts process a comment twice: first as Markdown and HTML, and then the resulting text, for mentions, issue numbers
and bare links. So escaping alone isn't enough. ``code`` and ``fence`` put text where neither pass looks, inside a fence
longer than any run of backticks in it. ``text`` encodes every character that could be markup as a numeric entity, and
inserts an invisible space where the second pass would see a mention, a reference or a link. The space comes before the
``://``, not after it, where a browser would drop it from the host name and follow the link.
"""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# Control characters, lone surrogates, and characters that change the reading order.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SPACE = re.compile(r"\s+")
_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPECIAL = re.compile(r"[`*_~<>\[\]\\#|&$!]")
# Characters that start a list, a heading's underline or a directive, only at the start of a line.
_LINE_START = re.compile(r"^(\d*)([-+=:.)%])")
_BACKTICKS = re.compile(r"`+")
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:/[A-Za-z0-9._~!$&'*+,;=:@%/?#-]*)?")
INVISIBLE = "\u200b"
_AUTOLINK = re.compile(r"(?<=@)|(?<=#)|(?=://)|(?<=www)(?=\.)|(?<=GH-)|(?<=gh-)", re.IGNORECASE)
MAX_TEXT = 600
MAX_LINE = 300
MAX_LINES = 20


def plain(value: str, max_length: int = MAX_TEXT) -> str:
    """One line without control characters, cut to a length, for places that show text as it is."""
    line = _SPACE.sub(" ", _HIDDEN.sub("", _ANSI.sub("", _BREAK.sub(" ", value)))).strip()
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


def text(value: str) -> str:
    """Prose: reads as written, and is nothing but text."""
    escaped = _escape(_AUTOLINK.sub(INVISIBLE, plain(value)))
    return _LINE_START.sub(lambda match: f"{match[1]}&#{ord(match[2])};", escaped)


def code(value: str) -> str:
    """A code span. An empty name is shown as a dash, because an empty span would be two backticks."""
    line = plain(value) or "-"
    mark = "`" * (_longest_run(line) + 1)
    return f"{mark} {line} {mark}" if line.startswith("`") or line.endswith("`") else f"{mark}{line}{mark}"


def fence(lines: tuple[str, ...]) -> str:
    """A code block of the last lines. No content can end it."""
    kept = [_line(line) for each in lines for line in _BREAK.split(each)][-MAX_LINES:]
    mark = "`" * max(3, max((_longest_run(line) for line in kept), default=0) + 1)
    return "\n".join([f"{mark}text", *kept, mark])


def link(url: str, label: str = "") -> str:
    """A link if it is a plain web address; otherwise the address as code, which can't be clicked by mistake."""
    if _URL.fullmatch(url) is None:
        return code(url)
    return f"[{text(label) if label else _escape(url)}](<{url}>)"


def cell(markdown: str) -> str:
    """Markdown inside a table, where a bar ends the cell even within code."""
    return markdown.replace("|", "\\|")


def _escape(value: str) -> str:
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", value)


def _line(value: str) -> str:
    line = _HIDDEN.sub("", _ANSI.sub("", value)).rstrip()
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"


def _longest_run(value: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(value)), default=0)
