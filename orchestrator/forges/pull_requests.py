"""A pull request as a Git host reports it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stacks.model import Key


class PullState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"
    GONE = "gone"
    """The repository, with the same id, has no such pull request."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    key: Key
    state: PullState
    title: str
    labels: frozenset[str]
    author: str
    head_sha: str
    head_ref: str
    base_ref: str
    url: str
    from_fork: bool = False
    draft: bool = False
