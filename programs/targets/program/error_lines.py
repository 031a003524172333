"""What a failed run reported, as lines of which the first says what happened."""

from __future__ import annotations

from collections.abc import Sequence

MAX_LINE = 2000
_PYTHON_TRACE = "Traceback ("
_UNHANDLED = "an unhandled exception:"
"""Both SDKs end their first line with it."""


def arrange(texts: Sequence[str], limit: int) -> tuple[str, ...]:
    """Of too many lines, the first and the last ones: a long trace ends where the error happened."""
    lines = [line[:MAX_LINE] for text in texts for line in _headline_first(text)]
    return tuple(lines if len(lines) <= limit else [lines[0], *lines[1 - limit :]])


def _headline_first(text: str) -> list[str]:
    """The line that says what a program's error is, then all of its trace, in Python or Node.js."""
    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.startswith(_PYTHON_TRACE) for line in lines):
        return [lines[-1], *lines]
    if len(lines) > 1 and lines[0].endswith(_UNHANDLED):
        return [lines[1], *lines]
    return lines
