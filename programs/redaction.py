"""Redacts secret values from progress, errors, logs and responses.

Programs rarely print a value by itself: it is part of a URL or of JSON, encoded in base64, or split into lines. Some
print the password of a URL alone. Each of these forms is searched for. A value that a program transforms in another
way isn't found, so redaction is the last of several defences, never the only one.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

MIN_LENGTH = 6
"""In characters. Shorter values occur in too many texts by chance to be redacted."""
MIN_LINE_LENGTH = 12
"""For a line of a multi-line value; shorter lines reveal little."""
MASK = "***"
# Bounded on all sides: the line is untrusted input, and the search must stay linear in its length.
_PASSWORD = re.compile(r"(://[^:/@\s]{0,200}:)[^@\s]{1,500}@")


def redact(text: str) -> str:
    """The text without the passwords of its URLs."""
    return _PASSWORD.sub(rf"\1{MASK}@", text)


class Redactor:
    """``veil(text)`` returns the text without the values."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        whole = [text for value in values for text in (value, *_password(value))]
        pieces = {piece for text in whole for piece in _encodings(text) if len(piece) >= MIN_LENGTH}
        longest_first = sorted(pieces, key=lambda piece: (-len(piece), piece))
        self.longest = len(longest_first[0]) if longest_first else 0
        """The length of the longest text that is redacted."""
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def _password(value: str) -> Iterator[str]:
    """If the value is a URL."""
    with contextlib.suppress(ValueError):
        if "://" in value and (password := urlsplit(value).password):
            yield unquote(password)


def _encodings(value: str) -> Iterator[str]:
    """The forms in which the value may appear; for a multi-line value each line as well, because logs print lines
    separately."""
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    yield base64.b64encode(value.encode()).decode().rstrip("=")
    yield from (line for part in value.splitlines() if len(line := part.strip()) >= MIN_LINE_LENGTH)
