"""The text of a target's error, because Pulumi passes on only an exception's text.

The message is on the first line, the output after it with ``| `` before each line. A last line says whether the commit
itself is at fault: building it again would fail the same way. Output can't imitate that line, because of its prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from programs import wording

_TEMPORARY_FAILURE = 75
"""EX_TEMPFAIL of sysexits.h: with this exit status, a command asks for another attempt."""
_FIRST_OF_SHELL = 126
"""From here on, an exit status says that a shell couldn't start the command, or that a signal killed it."""


def is_permanent_exit(status: int) -> bool:
    """Whether a command of the commit that exits with this status would do so again."""
    return 0 < status < _FIRST_OF_SHELL and status != _TEMPORARY_FAILURE


def render(sentence: str, tail: Iterable[str], permanent: bool) -> str:
    return "\n".join([sentence, *(f"| {line}" for line in tail), *([wording.NOT_RETRIED] if permanent else ())])


def split_mark(lines: Sequence[str]) -> tuple[list[str], bool]:
    """The lines without the mark, and whether it was the last one."""
    if lines and lines[-1].strip() == wording.NOT_RETRIED:
        return list(lines[:-1]), True
    return list(lines), False
