"""Values that nobody is to see, taken out of whatever is told: progress, errors, logs, answers.

What a program prints of a value is seldom the value itself alone: it stands in a URL, in JSON, in base64, or as a few
of its lines. Each of these ways is looked for. A value that a program changes in any other way is not found, so this is
the last of several walls and never the only one.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

MIN_LENGTH = 6
"""Characters. What is shorter stands in too many texts by chance, and so can be kept out of none."""
MIN_LINE_LENGTH = 12
"""Of a line of a value with several; the shorter ones tell little."""
MASK = "***"
# Bounded on all sides: a line is a stranger's, and must not cost more than its length.
_PASSWORD = re.compile(r"(://[^:/@\s]{0,200}:)[^@\s]{1,500}@")


def redact(text: str) -> str:
    """The text with the passwords of its URLs taken out."""
    return _PASSWORD.sub(rf"\1{MASK}@", text)


class Redactor:
    """``veil(text)`` is the text without the values."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        pieces = {piece for value in values for piece in _encodings(value) if len(piece) >= MIN_LENGTH}
        longest_first = sorted(pieces, key=lambda piece: (-len(piece), piece))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def _encodings(value: str) -> Iterator[str]:
    """The value as others write it; of one with several lines each, as a log tells them one by one."""
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    yield base64.b64encode(value.encode()).decode().rstrip("=")
    yield from (line for part in value.splitlines() if len(line := part.strip()) >= MIN_LINE_LENGTH)
