"""The error type for everything targets report to people, with the last lines of output.

``str`` puts the message on the first line and the output after it, each line prefixed with ``| ``, because Pulumi
passes on only an exception's text.
"""

from __future__ import annotations

from collections.abc import Iterable

from programs.redaction import redact


class TargetError(Exception):
    """What failed, where, and what to do about it."""

    def __init__(self, sentence: str, tail: Iterable[str] = ()) -> None:
        self.sentence = redact(sentence)
        self.tail = tuple(redact(line) for line in tail)
        super().__init__("\n".join([self.sentence, *(f"| {line}" for line in self.tail)]))


class CheckoutTooLarge(TargetError):
    """The repository or the commit is larger than ``HostSettings.checkout_bytes`` allows."""


class Cancelled(TargetError):
    """The operation was cancelled; nothing is wrong with the commit."""
