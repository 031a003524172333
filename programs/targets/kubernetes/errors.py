"""One error for everything the Kubernetes target can say to people, in the shape that the local target's has.

``str`` gives a sentence on the first line and the tail after it, each line marked with ``| ``, because Pulumi passes
on nothing of an exception but its text.
"""

from __future__ import annotations

from collections.abc import Iterable

from programs.redaction import redact


class KubernetesError(Exception):
    """What could not be done, where, and what to do about it."""

    def __init__(self, sentence: str, tail: Iterable[str] = ()) -> None:
        self.sentence = redact(sentence)
        self.tail = tuple(redact(line) for line in tail)
        super().__init__("\n".join([self.sentence, *(f"| {line}" for line in self.tail)]))


class ClusterUnreachable(KubernetesError):
    """The cluster did not answer, or did not let us in: nothing is known of it, so nothing may be concluded."""
