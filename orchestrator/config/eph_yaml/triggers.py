"""What requests an environment, according to a file: labels of pull requests, branches, tags and comment phrases."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.config.eph_yaml.models.triggers import BranchTrigger, CommentTrigger, LabelTrigger, TagTrigger
from orchestrator.config.eph_yaml.parsing import Document
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class WatchedRefs:
    """Globs of branches and tags that get environments, and the comment lines that work like ``/eph up``.

    They come from the default branch's eph.yaml.
    """

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()

    def patterns_for(self, kind: RefKind) -> tuple[str, ...]:
        return {RefKind.BRANCH: self.branches, RefKind.TAG: self.tags}.get(kind, ())


def ref_patterns(document: Document) -> WatchedRefs:
    """The branches, tags and comment phrases for which the default branch's file creates environments."""
    triggers = document.config.triggers or ()
    return WatchedRefs(
        branches=tuple(glob for item in triggers if isinstance(item, BranchTrigger) for glob in item.branches),
        tags=tuple(glob for item in triggers if isinstance(item, TagTrigger) for glob in item.tags),
        phrases=tuple(phrase for item in triggers if isinstance(item, CommentTrigger) for phrase in item.phrases),
    )


def trigger_labels(document: Document, default: frozenset[str] = frozenset()) -> frozenset[str]:
    """The trigger labels; ``default`` for a file without triggers. A comment's request is stored as a label, too: if
    only comments trigger, it is the ``default``."""
    triggers = document.config.triggers
    if triggers is None:
        return default
    named = frozenset(label for item in triggers if isinstance(item, LabelTrigger) for label in item.labels)
    return default if not named and any(isinstance(item, CommentTrigger) for item in triggers) else named
