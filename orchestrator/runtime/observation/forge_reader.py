"""Reads the desired state from the Git host, completely or marked as incomplete; one repository's failure doesn't
affect the others.

While a repository can't be read, the last known state of its existing environments still counts, marked as incomplete:
they are monitored and repaired, but never destroyed. A pull request whose file crashes our own code affects only
itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.core.model.world import CheckState, EnvironmentRequest, Recipe, RecipeError, RepositoryFacts
from orchestrator.core.util import globs
from orchestrator.forges.port import (
    APPROVED,
    EXPIRED,
    LABEL_NOT_OURS,
    LABEL_REMOVED,
    Forge,
    ForgeError,
    PullList,
    Repository,
    expired_mark,
)
from orchestrator.forges.pull_requests import PullRequest
from orchestrator.runtime import clock
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.observation import ref_reader
from orchestrator.runtime.observation.ref_reader import RefFacts
from orchestrator.runtime.wakeups import UNLIMITED, RefreshScope
from orchestrator.sources import pull_requests, refs
from orchestrator.sources.answer_cache import AnswerCache
from orchestrator.sources.pull_requests import PullRequestFacts
from orchestrator.sources.recipe_reader import CONFIG_FILE, MISSING_FILE, RecipeReader
from stacks import keys as stack_keys
from stacks.model import Key, RefKind

log = logging.getLogger("eph.forge")

MAX_CONCURRENT = 8
MAX_REFS = 20
PATH_MATCHES_KEPT = 20_000
T = TypeVar("T")
EnvironmentNames = Mapping[Key, str]


@dataclass(frozen=True, slots=True)
class ForgeSnapshot:
    """``problems`` are sentences about what couldn't be read or is skipped."""

    facts: Mapping[int, RepositoryFacts] = field(default_factory=dict)
    repositories: Mapping[int, Repository] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class ForgeReader:
    """``guarded_targets`` only run commits by people with write access, so access must be checked. ``most_refs`` limits
    how many branches and tags of a repository are read."""

    def __init__(
        self,
        forge: Forge,
        recipes: RecipeReader,
        guarded_targets: frozenset[str],
        now: Clock = clock.system,
        max_refs: int = MAX_REFS,
    ) -> None:
        self._max_refs = max_refs
        self._notes: dict[int, str] = {}
        self._forge = forge
        self._recipes = recipes
        self._guarded_targets = guarded_targets
        self._answer_cache = AnswerCache(now)
        self._repositories: Mapping[int, Repository] = {}
        self._last_facts: Mapping[int, RepositoryFacts] = {}
        self._snapshot = ForgeSnapshot()
        self._path_matches: dict[tuple[object, ...], bool] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def read(self, names: EnvironmentNames, scope: RefreshScope = UNLIMITED) -> ForgeSnapshot:
        """``names`` are those of existing environments, which keep them. ``scope`` is what changed; for everything
        else, the last read still counts."""
        changed = {key.repository if isinstance(key, Key) else key for key in scope}
        self._snapshot = await (self._read_some(names, changed) if scope else self._read_all(names))
        return self._snapshot

    async def _read_some(self, names: EnvironmentNames, changed: set[int]) -> ForgeSnapshot:
        """An unknown repository isn't ours, or it is new: the next full read will find it."""
        asked = [item for item in self._repositories.values() if item.id in changed]
        for item in asked:
            self._answer_cache.invalidate(item.id)
        found = {item.id: item for item in await self._read_repositories(asked, names, changed)}
        self._last_facts = {**self._last_facts, **found}
        return replace(self._snapshot, facts={**self._snapshot.facts, **found})

    async def _read_all(self, names: EnvironmentNames) -> ForgeSnapshot:
        try:
            listed = await asyncio.to_thread(self._forge.repositories)
        except ForgeError as error:
            # Nothing is known of any repository: those of the last reading are incomplete, and nothing is destroyed.
            facts = {item.id: self._unreadable(item, str(error), names) for item in self._repositories.values()}
            return ForgeSnapshot(facts, self._repositories, (f"the repositories could not be listed: {error}",))
        self._repositories = {item.id: item for item in listed}
        found = await self._read_repositories(listed, names)
        self._last_facts = {item.id: item for item in found}
        notes = [note for item in listed if (note := self._notes.get(item.id))]
        return ForgeSnapshot(self._last_facts, self._repositories, (*self._forge.problems().values(), *notes))

    async def _read_repositories(
        self, repositories: Sequence[Repository], names: EnvironmentNames, changed: Collection[int] = ()
    ) -> list[RepositoryFacts]:
        """Read the list of pull requests first, then their commits; in one request if the host supports it."""
        listed = await asyncio.gather(*(self._list_pulls(item, names) for item in repositories))
        await self._prefetch([pulls for pulls in listed if isinstance(pulls, PullList)], changed)
        return await asyncio.gather(
            *(
                self._read_requests(found, names) if isinstance(found, PullList) else _as_coroutine(found)
                for found in listed
            )
        )

    async def _prefetch(self, listed: Sequence[PullList], changed: Collection[int]) -> None:
        labelled = [(pulls.repository, pull.head_sha) for pulls in listed for pull in pulls.open if pull.labels]
        commits = {(repository.id, sha) for repository, sha in labelled}
        anew = frozenset(commit for commit in commits if self._answer_cache.is_waiting(commit) or commit[0] in changed)
        if not changed:
            self._answer_cache.watched_commits &= commits
        if labelled:
            await asyncio.to_thread(self._forge.prefetch, labelled, CONFIG_FILE, anew)

    async def _list_pulls(self, repository: Repository, names: EnvironmentNames) -> PullList | RepositoryFacts:
        try:
            return await self._in_thread(lambda: self._forge.pulls(repository))
        except ForgeError as error:
            return self._unreadable(repository, str(error), names)
        except Exception as error:
            log.exception("%s could not be read", repository.full_name)
            return self._unreadable(repository, f"{type(error).__name__}: {error}", names)

    async def _read_requests(self, pulls: PullList, names: EnvironmentNames) -> RepositoryFacts:
        repository = pulls.repository
        existing = [key for key in names if key.repository == repository.id]
        try:
            found_refs = await self._in_thread(
                lambda: ref_reader.read(self._forge, self._recipes, repository, existing, self._max_refs)
            )
            asked = [*(pull for pull in pulls.open if pull.labels), *found_refs.selected]
            candidates = await asyncio.gather(*(self._request(repository, pull, names) for pull in asked))
        except ForgeError as error:
            return self._unreadable(repository, str(error), names)
        except Exception as error:
            log.exception("%s could not be read", repository.full_name)
            return self._unreadable(repository, f"{type(error).__name__}: {error}", names)
        self._notes[repository.id] = found_refs.note
        facts = _facts(pulls, found_refs, [candidate for candidate in candidates if candidate is not None])
        return facts if facts.complete and facts.refs_complete else self._merge_last(facts, names)

    def _unreadable(self, repository: Repository, reason: str, names: EnvironmentNames) -> RepositoryFacts:
        nothing = RepositoryFacts(repository.id, repository.full_name, complete=False, reason=reason)
        return self._merge_last(nothing, names)

    def _merge_last(self, facts: RepositoryFacts, names: EnvironmentNames) -> RepositoryFacts:
        """Merge what was read now with what was last read about existing environments."""
        last = self._last_facts.get(facts.id)
        if last is None:
            return facts
        kept = {
            key: candidate
            for key, candidate in last.requests.items()
            if key not in facts.open and key in names and not facts.is_complete_for(key)
        }
        return replace(facts, requests={**kept, **facts.requests}, open=facts.open | kept.keys())

    async def _request(
        self, repository: Repository, pull: PullRequest, names: EnvironmentNames
    ) -> EnvironmentRequest | None:
        existing = names.get(pull.key, "")
        try:
            return await self._in_thread(lambda: self._build_request(repository, pull, existing))
        except Exception as error:
            log.exception("%s of %s could not be checked", stack_keys.stack_name(pull.key), repository.full_name)
            problem = f"this commit could not be checked ({type(error).__name__}); see the log of ephd for details"
            error_recipe = RecipeError((problem,), frozenset(), transient=True)
            return _to_request(repository, pull, error_recipe) if existing else None

    def _build_request(
        self, repository: Repository, pull: PullRequest, existing_name: str
    ) -> EnvironmentRequest | None:
        recipe = self._recipes.recipe_for(repository, pull, existing_name)
        if not isinstance(recipe, Recipe):
            if pull.key.kind is not RefKind.PULL:  # A tag of before there was such a file is not worth a word.
                quiet = not existing_name and recipe.problems == (MISSING_FILE,)
                return None if quiet else self._with_commit_marks(repository, _to_request(repository, pull, recipe))
            # A file that is wrong cannot say which labels it means: what exists stays, as long as any label is there.
            if not (existing_name or recipe.labels & pull.labels):
                return None
            return self._with_commit_marks(repository, _to_request(repository, pull, recipe))
        is_pull = pull.key.kind is RefKind.PULL
        if is_pull and not recipe.labels & pull.labels:
            return None
        asks = recipe.spec.target in self._guarded_targets and is_pull and not pull.from_fork
        trusted = self._is_trusted(repository, pull) if asks else None
        checks = self._checks(repository, pull.head_sha, recipe.wait_for_checks) if recipe.wait_for_checks else {}
        facts = PullRequestFacts(trusted, self._matches_paths(repository, pull, recipe.paths), checks)
        return self._with_commit_marks(repository, _to_request(repository, pull, recipe, facts))

    def _matches_paths(self, repository: Repository, pull: PullRequest, paths: tuple[str, ...]) -> bool | None:
        """Read once per commit and base. If there are more files than can be read, the paths count as matching."""
        if not paths:
            return True
        question = (pull.key, pull.head_sha, pull.base_ref, paths)
        known = self._path_matches.get(question)
        if known is None:
            try:
                changes = self._forge.changed_files(repository, pull.key.number)
            except ForgeError:
                return None
            known = not changes.complete or any(globs.any_matches(paths, path) for path in sorted(changes.paths))
            self._path_matches[question] = known
            while len(self._path_matches) > PATH_MATCHES_KEPT:
                self._path_matches.pop(next(iter(self._path_matches)), None)
        return known

    def _is_trusted(self, repository: Repository, pull: PullRequest) -> bool | None:
        if self._answer_cache.is_trusted(pull):
            return True
        try:
            trusted = self._forge.may_write(repository, pull.author)
        except ForgeError:
            return None
        if trusted:
            self._answer_cache.trust(pull)
        return trusted

    def _checks(self, repository: Repository, sha: str, required: Collection[str]) -> Mapping[str, CheckState]:
        """Checks that couldn't be read count as missing, so the environment waits."""
        passed = self._answer_cache.passed_checks((repository.id, sha))
        if passed is not None and all(passed.get(name) is CheckState.PASSED for name in required):
            return passed  # Another environment of the same commit may have waited for others.
        try:
            found = self._forge.checks(repository, sha)
        except ForgeError:
            found = {}
        self._answer_cache.record_checks((repository.id, sha), required, found)
        return found

    def _with_commit_marks(self, repository: Repository, request: EnvironmentRequest) -> EnvironmentRequest:
        """Add our commit statuses. If they can't be read, they count as absent: the tag still has the expiry, and a
        fork waits."""
        try:
            said = self._forge.decisions(repository, request.commit)
        except ForgeError:
            return request
        expired = said.get(expired_mark(stack_keys.stack_name(request.key))) or said.get(EXPIRED, "")
        label_off = True if expired.startswith(LABEL_REMOVED) else False if expired.startswith(LABEL_NOT_OURS) else None
        approved = said.get(APPROVED, "")
        return replace(
            request, expired=bool(expired), expiry_reason=expired, label_removed=label_off, approval=approved
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._slots:
            return await asyncio.to_thread(work)


def _to_request(
    repository: Repository, pull: PullRequest, recipe: Recipe | RecipeError, facts: PullRequestFacts | None = None
) -> EnvironmentRequest:
    if pull.key.kind is RefKind.PULL:
        return pull_requests.to_request(repository.full_name, pull, recipe, facts)
    checks = facts.checks if facts else {}
    return refs.to_request(repository.full_name, pull.key, pull.head_ref, pull.head_sha, recipe, checks)


async def _as_coroutine(facts: RepositoryFacts) -> RepositoryFacts:
    return facts


def _facts(pulls: PullList, ref_facts: RefFacts, requests: list[EnvironmentRequest]) -> RepositoryFacts:
    return RepositoryFacts(
        id=pulls.repository.id,
        full_name=pulls.repository.full_name,
        complete=pulls.complete,
        reason=pulls.reason,
        requests={candidate.key: candidate for candidate in requests},
        open=frozenset(pull.key for pull in pulls.open) | ref_facts.matching,
        refs_complete=ref_facts.complete,
        refs_reason=ref_facts.reason,
        watched_refs=ref_facts.watched_refs,
    )
