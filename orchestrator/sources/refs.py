"""Branches and tags that the default branch's eph.yaml selects; if it selects none, nothing is read.

A repository may have thousands of tags, so only a limited number is used: first those with an environment, then the
newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from orchestrator.config.eph_yaml.triggers import WatchedRefs
from orchestrator.core import wording as core_wording
from orchestrator.core.model.world import (
    CheckState,
    Confirmation,
    EnvironmentRequest,
    Existence,
    Recipe,
    RecipeError,
    Trust,
)
from orchestrator.core.util import formatting, globs, natural_sort
from orchestrator.forges.port import Forge, ForgeError, ForgeUnavailable, Repository
from orchestrator.sources import wording
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.port import Candidate, ExistingStacks, SourceListing, existing_name
from orchestrator.sources.recipe_reader import MISSING_FILE, RecipeQuery, RecipeReader
from stacks import keys
from stacks.model import Key, RefKind

KINDS = (RefKind.BRANCH, RefKind.TAG)


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or a tag as the Git host lists it."""

    key: Key
    name: str
    commit: str


class Refs:
    """``max_refs`` limits how many branches and tags of a repository are used."""

    kinds = frozenset(KINDS)

    def __init__(self, forge: Forge, recipes: RecipeReader, commits: CommitFacts, max_refs: int) -> None:
        self._forge = forge
        self._recipes = recipes
        self._commits = commits
        self._max_refs = max_refs

    def list_open(self, repository: Repository, existing: ExistingStacks) -> SourceListing:
        watched = self._recipes.watched_refs(repository)
        if isinstance(watched, RecipeError):
            why = "; ".join(watched.problems)
            problem = wording.recipe_unreadable(repository.default_branch, why)
            return SourceListing(complete=False, reason=problem)
        found, problem = self._matching(repository, watched)
        selected = sorted(found.values(), key=lambda ref: ref.key not in existing)[: self._max_refs]
        skipped = len(selected) < len(found)
        return SourceListing(
            open=frozenset(found),
            candidates=tuple(self._candidate(repository, ref, existing) for ref in selected),
            complete=not problem,
            reason=problem,
            phrases=watched.phrases,
            note=_skipped(repository, len(found), self._max_refs) if skipped else "",
        )

    def confirm(self, repository: Repository, key: Key, ref_name: str) -> Confirmation:
        """Lists every branch or tag that starts with the name: a stack's tag may keep only its start."""
        refs = self._forge.refs(repository, key.kind, (f"{ref_name}**",))
        found = next((name for name in refs.commits if keys.ref(repository.id, key.kind, name) == key), "")
        if not found and not refs.complete:
            raise ForgeUnavailable(core_wording.limits.note_kinds(repository.full_name, (key.kind,), refs.reason))
        if not found:
            reason = core_wording.desired.ref_not_found(key.kind, ref_name)
            return Confirmation(key, Existence.GONE, reason, needs_complete_list=True)
        watched = self._recipes.watched_refs(repository)
        if isinstance(watched, RecipeError) or globs.any_matches(watched.patterns_for(key.kind), found):
            return Confirmation(key, Existence.PRESENT)
        reason = core_wording.desired.ref_no_longer_matched(key.kind, found)
        return Confirmation(key, Existence.ENDED, reason, needs_complete_list=True)

    def _matching(self, repository: Repository, watched: WatchedRefs) -> tuple[dict[Key, Ref], str]:
        """The branches and tags that match, and why the list is incomplete."""
        found: dict[Key, Ref] = {}
        problem = ""
        for kind in KINDS:
            patterns = watched.patterns_for(kind)
            if not patterns:
                continue
            try:
                refs = self._forge.refs(repository, kind, patterns)
            except ForgeError as error:
                problem = problem or str(error)
                continue
            problem = problem or ("" if refs.complete else refs.reason or wording.LIST_INCOMPLETE)
            for name in sorted(refs.commits, key=natural_sort.sort_key, reverse=kind is RefKind.TAG):
                key = keys.ref(repository.id, kind, name)
                found.setdefault(key, Ref(key, name, refs.commits[name]))
        return found, problem

    def _candidate(self, repository: Repository, ref: Ref, existing: ExistingStacks) -> Candidate:
        read = partial(self._request, repository, ref, existing_name(existing, ref.key))
        unreadable = partial(to_request, repository.full_name, ref)
        return Candidate(ref.key, ref.commit, read, unreadable)

    def _request(self, repository: Repository, ref: Ref, existing_name: str) -> EnvironmentRequest | None:
        query = RecipeQuery(ref.key, ref.commit, ref.name, repository.default_branch)
        recipe = self._recipes.recipe_for(repository, query, existing_name)
        if isinstance(recipe, RecipeError) and not existing_name and recipe.problems == (MISSING_FILE,):
            return None  # a tag that is older than the file isn't worth a message
        required = recipe.wait_for_checks if isinstance(recipe, Recipe) else ()
        checks = self._commits.checks(repository, ref.commit, required)
        return self._commits.with_marks(repository, to_request(repository.full_name, ref, recipe, checks))


def to_request(
    repository_name: str, ref: Ref, recipe: Recipe | RecipeError, checks: Mapping[str, CheckState] | None = None
) -> EnvironmentRequest:
    """People who push a branch or tag to the repository itself have write access."""
    title = formatting.reference(repository_name, ref.key, ref.name)
    reason = core_wording.facts.selected_ref(title, ref.key.kind)
    return EnvironmentRequest(ref.key, ref.commit, ref.name, recipe, reason, Trust.TRUSTED, title, checks=checks or {})


def _skipped(repository: Repository, count: int, limit: int) -> str:
    return wording.too_many_refs(repository.full_name, count, limit)
