"""Output of commands as plain text, without what only a terminal understands."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(line: str) -> str:
    """Without escape sequences, control characters, and characters that change the direction of text."""
    return _CONTROLS.sub("", _ESCAPES.sub("", line))
