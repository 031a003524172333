"""Answers of the Git host that need not be asked for at every look, and for how long each may be believed.

What a commit that runs already was judged by changes seldom: whether its author may write, and that the checks it
waited for have passed. A new commit is always judged anew, so a right that was taken away counts at the next push.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from orchestrator.core.model.world import CheckState, PullRequest
from orchestrator.runtime.clock import Clock
from programs.kit.caches import ExpiringCache

MAX_ENTRIES = 20_000
TRUST_TTL = timedelta(hours=6)
PASSED_TTL = timedelta(minutes=30)
CommitKey = tuple[int, str]
"""Repository id and commit."""


class AnswerCache:
    """Called from several threads, never twice at once for one pull request."""

    def __init__(self, clock: Clock) -> None:
        self._trusted: ExpiringCache[tuple[int, str, str], bool] = ExpiringCache(MAX_ENTRIES, TRUST_TTL, clock)
        self._passed: ExpiringCache[CommitKey, Mapping[str, CheckState]] = ExpiringCache(MAX_ENTRIES, PASSED_TTL, clock)
        self.watched_commits: set[CommitKey] = set()
        """Commits whose checks count."""

    def is_trusted(self, pull: PullRequest) -> bool:
        return bool(self._trusted.get((pull.key.repository, pull.author, pull.head_sha)))

    def trust(self, pull: PullRequest) -> None:
        self._trusted.put((pull.key.repository, pull.author, pull.head_sha), True)

    def passed_checks(self, commit: CommitKey) -> Mapping[str, CheckState] | None:
        return self._passed.get(commit)

    def is_waiting(self, commit: CommitKey) -> bool:
        """Whether its checks will be asked for."""
        return commit in self.watched_commits and self._passed.get(commit) is None

    def record_checks(self, commit: CommitKey, required: Iterable[str], found: Mapping[str, CheckState]) -> None:
        self.watched_commits.add(commit)
        if all(found.get(name) is CheckState.PASSED for name in required):
            self._passed.put(commit, found)

    def invalidate(self, repository: int) -> None:
        """The Git host says that something of it is otherwise than it was."""
        self._passed.drop_where(lambda commit: commit[0] == repository)
