"""Open pull requests with a trigger label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from orchestrator.core import wording
from orchestrator.core.model.world import (
    CheckState,
    Confirmation,
    EnvironmentRequest,
    Existence,
    Recipe,
    RecipeError,
    Trust,
)
from orchestrator.core.util import formatting, globs
from orchestrator.forges.port import Forge, ForgeError, Repository
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.port import Candidate, ExistingStacks, SourceListing, existing_name
from orchestrator.sources.recipe_reader import RecipeQuery, RecipeReader
from programs.kit.caches import BoundedCache
from stacks.model import Key, RefKind

PATH_MATCHES_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class PullRequestFacts:
    """What was read about one pull request besides its recipe. None: unknown."""

    author_trusted: bool | None = None
    matches_paths: bool | None = True
    checks: Mapping[str, CheckState] = field(default_factory=dict)


class PullRequests:
    """``guarded_targets`` only run commits by people with write access, so access is checked for them."""

    kinds = frozenset({RefKind.PULL})

    def __init__(
        self, forge: Forge, recipes: RecipeReader, commits: CommitFacts, guarded_targets: frozenset[str]
    ) -> None:
        self._forge = forge
        self._recipes = recipes
        self._commits = commits
        self._guarded_targets = guarded_targets
        self._path_matches: BoundedCache[tuple[object, ...], bool] = BoundedCache(PATH_MATCHES_KEPT)

    def list_open(self, repository: Repository, existing: ExistingStacks) -> SourceListing:
        """If this list is incomplete, the repository's other lists aren't trusted either."""
        pulls = self._forge.pulls(repository)
        return SourceListing(
            open=frozenset(pull.key for pull in pulls.open),
            candidates=tuple(self._candidate(repository, pull, existing) for pull in pulls.open if pull.labels),
            unrequested={pull.key: unrequested(repository.full_name, pull) for pull in pulls.open},
            complete=pulls.complete,
            reason=pulls.reason,
            covers_repository=True,
        )

    def confirm(self, repository: Repository, key: Key, ref_name: str) -> Confirmation:  # noqa: ARG002 - the port's
        """A state that the Git host reports for one pull request counts even without a complete list."""
        return to_confirmation(repository.full_name, self._forge.pull(repository, key.number))

    def _candidate(self, repository: Repository, pull: PullRequest, existing: ExistingStacks) -> Candidate:
        read = partial(self._request, repository, pull, existing_name(existing, pull.key))
        unreadable = partial(to_request, repository.full_name, pull)
        return Candidate(pull.key, pull.head_sha, read, unreadable, prefetch=True)

    def _request(self, repository: Repository, pull: PullRequest, existing_name: str) -> EnvironmentRequest | None:
        recipe = self._recipes.recipe_for(repository, recipe_query(pull), existing_name)
        labelled = bool(recipe.labels & pull.labels)
        if not isinstance(recipe, Recipe):
            # An invalid file can't say which labels it means: what exists stays, as long as it has any label.
            if not (existing_name or labelled):
                return None
            return self._commits.with_marks(repository, to_request(repository.full_name, pull, recipe))
        if not labelled:
            return None
        facts = PullRequestFacts(
            self._is_trusted(repository, pull, recipe),
            self._matches_paths(repository, pull, recipe.paths),
            self._commits.checks(repository, pull.head_sha, recipe.wait_for_checks),
        )
        return self._commits.with_marks(repository, to_request(repository.full_name, pull, recipe, facts))

    def _is_trusted(self, repository: Repository, pull: PullRequest, recipe: Recipe) -> bool | None:
        """None: unknown, or it doesn't matter."""
        if recipe.spec.target not in self._guarded_targets or pull.from_fork:
            return None
        return self._commits.is_trusted(repository, pull.author, pull.head_sha)

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
            self._path_matches.put(question, known)
        return known


def recipe_query(pull: PullRequest) -> RecipeQuery:
    return RecipeQuery(pull.key, pull.head_sha, pull.head_ref, pull.base_ref, pull.labels, pull.from_fork)


def to_confirmation(repository_name: str, pull: PullRequest) -> Confirmation:
    title = formatting.reference(repository_name, pull.key, "")
    match pull.state:
        case PullState.OPEN:
            return Confirmation(pull.key, Existence.PRESENT)
        case PullState.GONE:
            return Confirmation(pull.key, Existence.GONE, wording.desired.pull_not_found(title))
        case _:
            return Confirmation(pull.key, Existence.ENDED, wording.desired.in_state(title, pull.state))


def unrequested(repository_name: str, pull: PullRequest) -> str:
    return wording.desired.no_trigger_label(formatting.reference(repository_name, pull.key, ""))


def to_request(
    repository_name: str, pull: PullRequest, recipe: Recipe | RecipeError, facts: PullRequestFacts | None = None
) -> EnvironmentRequest:
    found, labels = facts or PullRequestFacts(), pull.labels & recipe.labels
    title = formatting.reference(repository_name, pull.key, "")
    unknown_paths = isinstance(recipe, Recipe) and recipe.paths and found.matches_paths is None
    return EnvironmentRequest(
        key=pull.key,
        commit=pull.head_sha,
        ref=pull.head_ref,
        recipe=recipe,
        reason=wording.facts.pull_state(title, pull.state, pull.draft, labels),
        trust=_trust(pull, found),
        title=pull.title,
        author=pull.author,
        url=pull.url,
        trigger_labels=labels,
        labels=pull.labels,
        withdrawn="" if labels else wording.desired.no_trigger_label(title, recipe.labels),
        excluded=_excluded(title, pull, recipe, found),
        undecided=wording.desired.unknown_paths(title) if unknown_paths else "",
        checks=found.checks,
    )


def _trust(pull: PullRequest, facts: PullRequestFacts) -> Trust:
    if pull.from_fork:
        return Trust.FORK
    return {True: Trust.TRUSTED, False: Trust.UNTRUSTED, None: Trust.UNKNOWN}[facts.author_trusted]


def _excluded(title: str, pull: PullRequest, recipe: Recipe | RecipeError, facts: PullRequestFacts) -> str:
    """Why it gets no environment although it has a trigger label."""
    if not isinstance(recipe, Recipe):
        return ""
    if pull.draft and not recipe.allow_drafts:
        return wording.desired.draft(title)
    if recipe.paths and facts.matches_paths is False:
        return wording.desired.no_matching_paths(title, recipe.paths)
    return ""
