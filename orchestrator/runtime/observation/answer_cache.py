"""Answers of the Git host that need not be asked for at every look, and for how long each may be believed.

What a commit that runs already was judged by changes seldom: whether its author may write, and that the checks it
waited for have passed. A new commit is always judged anew, so a right that was taken away counts at the next push.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from orchestrator.core.model.world import CheckState, PullRequest
from orchestrator.runtime.clock import Clock

MAX_ENTRIES = 20_000
TRUST_TTL = timedelta(hours=6)
PASSED_TTL = timedelta(minutes=30)
K = TypeVar("K")
V = TypeVar("V")
CommitKey = tuple[int, str]
"""Repository id and commit."""


class ExpiringCache(Generic[K, V]):
    def __init__(self, clock: Clock, ttl: timedelta) -> None:
        self._clock, self._ttl = clock, ttl
        self._entries: OrderedDict[K, tuple[datetime, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        held = self._entries.get(key)
        return held[1] if held is not None and self._clock() < held[0] else None

    def put(self, key: K, value: V) -> None:
        self._entries.pop(key, None)
        self._entries[key] = (self._clock() + self._ttl, value)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    def drop_where(self, predicate: Callable[[K], bool]) -> None:
        for key in [key for key in self._entries if predicate(key)]:
            del self._entries[key]


class AnswerCache:
    """Called from several threads, never twice at once for one pull request."""

    def __init__(self, clock: Clock) -> None:
        self._trusted: ExpiringCache[tuple[int, str, str], bool] = ExpiringCache(clock, TRUST_TTL)
        self._passed: ExpiringCache[CommitKey, Mapping[str, CheckState]] = ExpiringCache(clock, PASSED_TTL)
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
