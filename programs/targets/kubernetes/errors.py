"""The error type for everything the Kubernetes target reports to people, in the same form as the kit's."""

from __future__ import annotations

from collections.abc import Iterable

from programs import error_text
from programs.redaction import redact


class KubernetesError(Exception):
    """What failed, where, and what to do about it."""

    permanent = False
    """Whether only another commit can help."""

    def __init__(self, sentence: str, tail: Iterable[str] = ()) -> None:
        self.sentence = redact(sentence)
        self.tail = tuple(redact(line) for line in tail)
        super().__init__(error_text.render(self.sentence, self.tail, self.permanent))


class ClusterUnreachable(KubernetesError):
    """The cluster didn't respond or denied access: its state is unknown, so no conclusion is allowed."""


class CommitRejected(KubernetesError):
    """A file of the commit isn't accepted, or is missing."""

    permanent = True


class ManifestsTooLarge(CommitRejected):
    """The commit's manifests have too many files or bytes, so the rest of them isn't read."""


class RendererUnavailable(KubernetesError):
    """A program of this machine that renders manifests is missing, or had too few resources."""
