"""What the Git host says should exist, read whole or said to be partial; one repository's trouble is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.core.model import Candidate, CheckState, PullRequest, Recipe, RepositoryFacts
from orchestrator.forge.port import Forge, ForgeError, Pulls, Repository, is_marked
from orchestrator.runtime.recipes import Recipes

AT_ONCE = 8
T = TypeVar("T")
Names = Mapping[tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class ForgeFacts:
    """``trouble`` are sentences about what could not be read at all."""

    facts: Mapping[int, RepositoryFacts] = field(default_factory=dict)
    repositories: Mapping[int, Repository] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()


class ForgeReader:
    """``guarded_targets`` run only what people with write access pushed, so who that is must be asked."""

    def __init__(self, forge: Forge, recipes: Recipes, guarded_targets: frozenset[str]) -> None:
        self._forge = forge
        self._recipes = recipes
        self._guarded = guarded_targets
        self._known: Mapping[int, Repository] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read(self, names: Names) -> ForgeFacts:
        """``names`` are those of the environments that exist: they keep them."""
        try:
            listed = await asyncio.to_thread(self._forge.repositories)
        except ForgeError as error:
            # Nothing is known of any repository: those of the last reading are incomplete, and nothing is destroyed.
            facts = {item.id: _unread(item, str(error)) for item in self._known.values()}
            return ForgeFacts(facts, self._known, (f"the repositories could not be listed: {error}",))
        self._known = {item.id: item for item in listed}
        found = await asyncio.gather(*(self._repository(item, names) for item in listed))
        return ForgeFacts({item.id: item for item in found}, self._known)

    async def _repository(self, repository: Repository, names: Names) -> RepositoryFacts:
        try:
            pulls = await self._in_thread(lambda: self._forge.pulls(repository))
        except ForgeError as error:
            return _unread(repository, str(error))
        labelled = [pull for pull in pulls.open if pull.labels]
        candidates = await asyncio.gather(*(self._candidate(pulls.repository, pull, names) for pull in labelled))
        return _facts(pulls, [candidate for candidate in candidates if candidate is not None])

    async def _candidate(self, repository: Repository, pull: PullRequest, names: Names) -> Candidate | None:
        existing = names.get((pull.key.repository, pull.key.number), "")
        return await self._in_thread(lambda: self._judge(repository, pull, existing))

    def _judge(self, repository: Repository, pull: PullRequest, existing: str) -> Candidate | None:
        recipe = self._recipes.of(repository, pull, existing)
        if not recipe.labels & pull.labels:
            return None
        if not isinstance(recipe, Recipe):
            return Candidate(pull, recipe)
        if recipe.spec.target in self._guarded and not pull.from_fork:
            pull = replace(pull, author_trusted=self._trusted(repository, pull.author))
        checks = self._checks(repository, pull.head_sha) if recipe.wait_for_checks else {}
        return Candidate(pull, recipe, checks, expired=self._expired(repository, pull.head_sha))

    def _trusted(self, repository: Repository, author: str) -> bool | None:
        try:
            return self._forge.may_write(repository, author)
        except ForgeError:
            return None

    def _checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        """Checks that could not be read are missing, which waits."""
        try:
            return self._forge.checks(repository, sha)
        except ForgeError:
            return {}

    def _expired(self, repository: Repository, sha: str) -> bool:
        """A mark that could not be read counts as absent: the tag still has the time, and expires it again."""
        try:
            return is_marked(self._forge.decisions(repository, sha))
        except ForgeError:
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._slots:
            return await asyncio.to_thread(work)


def _unread(repository: Repository, reason: str) -> RepositoryFacts:
    return RepositoryFacts(repository.id, repository.full_name, complete=False, reason=reason)


def _facts(pulls: Pulls, candidates: list[Candidate]) -> RepositoryFacts:
    return RepositoryFacts(
        id=pulls.repository.id,
        full_name=pulls.repository.full_name,
        complete=pulls.complete,
        reason=pulls.reason,
        candidates={candidate.pull.key.number: candidate for candidate in candidates},
        open=frozenset(pull.key.number for pull in pulls.open),
    )
