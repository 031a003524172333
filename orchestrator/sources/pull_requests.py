"""Open pull requests with a trigger label, as requests for environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
from orchestrator.core.util import formatting
from orchestrator.forges.port import Forge, Repository
from orchestrator.forges.pull_requests import PullRequest, PullState
from stacks.model import Key


@dataclass(frozen=True, slots=True)
class PullRequestFacts:
    """What was read about one pull request besides its recipe. None: unknown."""

    author_trusted: bool | None = None
    matches_paths: bool | None = True
    checks: Mapping[str, CheckState] = field(default_factory=dict)


def confirm(forge: Forge, repository: Repository, key: Key) -> Confirmation:
    """Blocking. Asks for exactly this pull request; raises ForgeError if there is no answer."""
    return to_confirmation(repository.full_name, forge.pull(repository, key.number))


def to_confirmation(repository_name: str, pull: PullRequest) -> Confirmation:
    title = formatting.reference(repository_name, pull.key, "")
    match pull.state:
        case PullState.OPEN:
            return Confirmation(pull.key, Existence.PRESENT)
        case PullState.GONE:
            return Confirmation(pull.key, Existence.GONE, wording.pull_not_found(title))
        case _:
            return Confirmation(pull.key, Existence.ENDED, wording.in_state(title, pull.state))


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
        reason=wording.pull_state(title, pull.state, pull.draft, labels),
        trust=_trust(pull, found),
        title=pull.title,
        author=pull.author,
        url=pull.url,
        trigger_labels=labels,
        withdrawn="" if labels else wording.no_trigger_label(title, recipe.labels),
        excluded=_excluded(title, pull, recipe, found),
        undecided=wording.unknown_paths(title) if unknown_paths else "",
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
        return wording.draft(title)
    if recipe.paths and facts.matches_paths is False:
        return wording.no_matching_paths(title, recipe.paths)
    return ""
