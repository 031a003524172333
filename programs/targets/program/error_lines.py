"""What a failed run reported, as lines of which the first says what happened."""

from __future__ import annotations

from collections.abc import Sequence

MAX_LINE = 2000
_PYTHON_TRACE = "Traceback ("
_INTRODUCTIONS = ("an unhandled exception:", "program failed:")
"""How the first line of a program's error ends, in Python and Node.js, and in Go."""


def arrange(texts: Sequence[str], limit: int) -> tuple[str, ...]:
    """Of too many lines, the first and the last ones: a long trace ends where the error happened."""
    lines = [line[:MAX_LINE] for text in texts for line in _headline_first(text)]
    return tuple(lines if len(lines) <= limit else [lines[0], *lines[1 - limit :]])


def _headline_first(text: str) -> list[str]:
    """The line that says what a program's error is, then all of its trace, in Python, Node.js or Go."""
    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.startswith(_PYTHON_TRACE) for line in lines):
        return [lines[-1], *lines]
    if lines and lines[0].rstrip().endswith(_INTRODUCTIONS):
        first = next((line for line in lines if not line.rstrip().endswith(":")), lines[0])
        return [first.strip().removeprefix("* "), *lines]
    return lines
