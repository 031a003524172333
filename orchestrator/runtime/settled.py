"""Answers of the Git host that need not be asked for at every look, and for how long each may be believed.

What a commit that runs already was judged by changes seldom: whether its author may write, and that the checks it
waited for have passed. A new commit is always judged anew, so a right that was taken away counts at the next push.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from orchestrator.core.model import CheckState, PullRequest
from orchestrator.runtime.clock import Clock

KEPT = 20_000
TRUST_FOR = timedelta(hours=6)
PASSED_FOR = timedelta(minutes=30)
K = TypeVar("K")
V = TypeVar("V")
Commit = tuple[int, str]
"""Repository id and commit."""


class Believed(Generic[K, V]):
    def __init__(self, clock: Clock, long: timedelta) -> None:
        self._clock, self._long = clock, long
        self._held: OrderedDict[K, tuple[datetime, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        held = self._held.get(key)
        return held[1] if held is not None and self._clock() < held[0] else None

    def put(self, key: K, value: V) -> None:
        self._held.pop(key, None)
        self._held[key] = (self._clock() + self._long, value)
        while len(self._held) > KEPT:
            self._held.popitem(last=False)

    def drop_where(self, unwanted: Callable[[K], bool]) -> None:
        for key in [key for key in self._held if unwanted(key)]:
            del self._held[key]


class Settled:
    """Called from several threads, never twice at once for one pull request."""

    def __init__(self, clock: Clock) -> None:
        self._trusted: Believed[tuple[int, str, str], bool] = Believed(clock, TRUST_FOR)
        self._passed: Believed[Commit, Mapping[str, CheckState]] = Believed(clock, PASSED_FOR)
        self.watched: set[Commit] = set()
        """Commits whose checks count."""

    def trusted(self, pull: PullRequest) -> bool:
        return bool(self._trusted.get((pull.key.repository, pull.author, pull.head_sha)))

    def trust(self, pull: PullRequest) -> None:
        self._trusted.put((pull.key.repository, pull.author, pull.head_sha), True)

    def passed(self, commit: Commit) -> Mapping[str, CheckState] | None:
        return self._passed.get(commit)

    def is_waiting(self, commit: Commit) -> bool:
        """Whether its checks will be asked for."""
        return commit in self.watched and self._passed.get(commit) is None

    def checked(self, commit: Commit, wanted: Iterable[str], found: Mapping[str, CheckState]) -> None:
        self.watched.add(commit)
        if all(found.get(name) is CheckState.PASSED for name in wanted):
            self._passed.put(commit, found)

    def changed(self, repository: int) -> None:
        """The Git host says that something of it is otherwise than it was."""
        self._passed.drop_where(lambda commit: commit[0] == repository)
