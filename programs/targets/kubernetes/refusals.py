"""Everything that is wrong with a commit's files, so that one push can fix it all (Y1, Y2)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from programs.targets.kubernetes import wording
from programs.targets.kubernetes.errors import (
    ClusterUnreachable,
    CommitRejected,
    KubernetesError,
    ManifestsTooLarge,
    RendererUnavailable,
)

MAX_LISTED = 20
"""As many lines as people see of an error."""
_NOT_THE_COMMITS_FAULT = (ClusterUnreachable, RendererUnavailable)


class SeveralRefusals(CommitRejected):
    """All of them, the first one in full."""

    def __init__(self, errors: Sequence[KubernetesError]) -> None:
        self.errors = tuple(errors)
        sentences = [error.sentence for error in errors]
        super().__init__(f"{sentences[0]}{wording.more_problems(len(errors))}", sentences[:MAX_LISTED])


class Refusals:
    """Collects errors until ``check`` raises them together. False while there are none."""

    def __init__(self) -> None:
        self._errors: dict[str, KubernetesError] = {}

    def __bool__(self) -> bool:
        return bool(self._errors)

    @property
    def is_full(self) -> bool:
        return len(self._errors) >= MAX_LISTED

    def add(self, *errors: KubernetesError) -> None:
        for error in errors:
            self._errors.setdefault(error.sentence, error)

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Goes on after an error of the commit's, unless it was a limit: then reading more would exceed it further."""
        try:
            yield
        except (*_NOT_THE_COMMITS_FAULT, ManifestsTooLarge):
            raise
        except SeveralRefusals as several:
            self.add(*several.errors)
        except KubernetesError as error:
            self.add(error)

    def check(self) -> None:
        errors = list(self._errors.values())
        if len(errors) > 1:
            raise SeveralRefusals(errors)
        if errors:
            raise CommitRejected(errors[0].sentence, errors[0].tail)
