"""Caches answers of the Git host that don't have to be read in every cycle.

For a commit that is already live, two answers rarely change: whether its author has write access, and that its checks
passed. A new commit is always checked again, so revoked access takes effect with the next push.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from orchestrator.core.model.world import CheckState
from programs.kit.caches import ExpiringCache

MAX_ENTRIES = 20_000
TRUST_TTL = timedelta(hours=6)
PASSED_TTL = timedelta(minutes=30)
CommitKey = tuple[int, str]
"""Repository id and commit."""


class AnswerCache:
    """Thread-safe, except that calls for one pull request must not overlap."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._trusted: ExpiringCache[tuple[int, str, str], bool] = ExpiringCache(MAX_ENTRIES, TRUST_TTL, clock)
        self._passed: ExpiringCache[CommitKey, Mapping[str, CheckState]] = ExpiringCache(MAX_ENTRIES, PASSED_TTL, clock)
        self.watched_commits: set[CommitKey] = set()
        """Commits whose checks count."""

    def is_trusted(self, repository: int, author: str, commit: str) -> bool:
        return bool(self._trusted.get((repository, author, commit)))

    def trust(self, repository: int, author: str, commit: str) -> None:
        self._trusted.put((repository, author, commit), True)

    def passed_checks(self, commit: CommitKey) -> Mapping[str, CheckState] | None:
        return self._passed.get(commit)

    def is_waiting(self, commit: CommitKey) -> bool:
        """Whether its checks are going to be read."""
        return commit in self.watched_commits and self._passed.get(commit) is None

    def record_checks(self, commit: CommitKey, required: Iterable[str], found: Mapping[str, CheckState]) -> None:
        self.watched_commits.add(commit)
        if all(found.get(name) is CheckState.PASSED for name in required):
            self._passed.put(commit, found)

    def invalidate(self, repository: int) -> None:
        """Forget the answers, because the Git host reported a change."""
        self._passed.drop_where(lambda commit: commit[0] == repository)
