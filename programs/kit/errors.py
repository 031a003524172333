"""The error type for everything targets report to people, with the last lines of output."""

from __future__ import annotations

from collections.abc import Iterable

from programs import error_text
from programs.redaction import redact


class TargetError(Exception):
    """What failed, where, and what to do about it."""

    permanent = False
    """Whether only another commit can help."""

    def __init__(self, sentence: str, tail: Iterable[str] = ()) -> None:
        self.sentence = redact(sentence)
        self.tail = tuple(redact(line) for line in tail)
        super().__init__(error_text.render(self.sentence, self.tail, self.permanent))


class CommitFailed(TargetError):
    """The commit itself is at fault: its command failed, or one of its files is wrong."""

    permanent = True


class CheckoutTooLarge(TargetError):
    """The repository or the commit is larger than ``HostSettings.checkout_bytes`` allows."""


class Cancelled(TargetError):
    """The operation was cancelled; nothing is wrong with the commit."""
