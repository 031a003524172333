"""What the Git host says about commits, whichever source they come from: checks, our marks, and trust in the author."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.core.model.world import CheckState, EnvironmentRequest
from orchestrator.forges.port import (
    EXPIRED,
    LABEL_NOT_OURS,
    LABEL_REMOVED,
    Forge,
    ForgeError,
    Repository,
    approved_mark,
    expired_mark,
)
from orchestrator.sources.answer_cache import AnswerCache
from orchestrator.sources.recipe_reader import CONFIG_FILE
from stacks import keys


class CommitFacts:
    """All methods block. Thread-safe, except that calls for one key must not overlap."""

    def __init__(self, forge: Forge, clock: Callable[[], datetime]) -> None:
        self._forge = forge
        self._answer_cache = AnswerCache(clock)

    def invalidate(self, repository: int) -> None:
        """Ask again about this repository, because the Git host reported a change."""
        self._answer_cache.invalidate(repository)

    def prefetch(self, commits: Sequence[tuple[Repository, str]], changed: Collection[int]) -> None:
        """Announce what is read next, in one request if the host supports it. ``changed`` are the repositories of an
        early read; without any, these are the commits of all repositories."""
        places = {(repository.id, sha) for repository, sha in commits}
        refresh = frozenset(each for each in places if self._answer_cache.is_waiting(each) or each[0] in changed)
        if not changed:
            self._answer_cache.watched_commits &= places
        if commits:
            self._forge.prefetch(commits, CONFIG_FILE, refresh)

    def is_trusted(self, repository: Repository, author: str, commit: str) -> bool | None:
        """Whether the author may push to the repository; None if that couldn't be read."""
        if self._answer_cache.is_trusted(repository.id, author, commit):
            return True
        try:
            trusted = self._forge.may_write(repository, author)
        except ForgeError:
            return None
        if trusted:
            self._answer_cache.trust(repository.id, author, commit)
        return trusted

    def checks(self, repository: Repository, commit: str, required: Collection[str]) -> Mapping[str, CheckState]:
        """Checks that couldn't be read count as missing, so the environment waits."""
        if not required:
            return {}
        passed = self._answer_cache.passed_checks((repository.id, commit))
        if passed is not None and all(passed.get(name) is CheckState.PASSED for name in required):
            return passed  # Another environment of the same commit may have waited for others.
        try:
            found = self._forge.checks(repository, commit)
        except ForgeError:
            found = {}
        self._answer_cache.record_checks((repository.id, commit), required, found)
        return found

    def with_marks(self, repository: Repository, request: EnvironmentRequest) -> EnvironmentRequest:
        """Add our commit statuses. If they can't be read, they count as absent: the tag still has the expiry, and a
        fork waits."""
        try:
            marks = self._forge.decisions(repository, request.commit)
        except ForgeError:
            return request
        stack = keys.stack_name(request.key)
        expired = marks.get(expired_mark(stack)) or marks.get(EXPIRED, "")
        label_off = True if expired.startswith(LABEL_REMOVED) else False if expired.startswith(LABEL_NOT_OURS) else None
        return replace(
            request,
            expired=bool(expired),
            expiry_reason=expired,
            label_removed=label_off,
            approval=marks.get(approved_mark(stack), ""),
        )
