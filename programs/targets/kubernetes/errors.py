"""The error type for everything the Kubernetes target reports to people, in the same form as the kit's.

``str`` puts the message on the first line and the output after it, each line prefixed with ``| ``, because Pulumi
passes on only an exception's text.
"""

from __future__ import annotations

from collections.abc import Iterable

from programs.redaction import redact


class KubernetesError(Exception):
    """What failed, where, and what to do about it."""

    def __init__(self, sentence: str, tail: Iterable[str] = ()) -> None:
        self.sentence = redact(sentence)
        self.tail = tuple(redact(line) for line in tail)
        super().__init__("\n".join([self.sentence, *(f"| {line}" for line in self.tail)]))


class ClusterUnreachable(KubernetesError):
    """The cluster didn't respond or denied access: its state is unknown, so no conclusion is allowed."""
