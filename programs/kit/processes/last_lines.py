"""The last lines of a command's output, with its stack traces shortened.

Ruby, Node.js and Java print the cause first and then a line for each call, dozens with a framework. Node.js also prints
every field of an error, even those without a value. They would leave no room for the cause.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator

from programs.kit.processes import wording

SHOWN_CALLS = 2
"""How many calls of a stack trace are kept, the innermost ones."""
_CALL = re.compile(r"\s+at \S.*|\s*(?:from )?\S[^:]*:\d+:in [`'][^']+'")
_EMPTY_FIELD = re.compile(r"\s+\w+: undefined,?")


class LastLines:
    def __init__(self, count: int) -> None:
        self._lines: collections.deque[str] = collections.deque(maxlen=count)
        self._calls = 0

    def extend(self, lines: Iterable[str]) -> None:
        for line in lines:
            if _EMPTY_FIELD.fullmatch(line):
                continue
            self._calls = self._calls + 1 if _CALL.fullmatch(line) else 0
            omitted = self._calls - SHOWN_CALLS
            if omitted > 1:
                self._lines.pop()
            self._lines.append(wording.calls_omitted(omitted) if omitted > 0 else line)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)
