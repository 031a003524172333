"""Commits that people deployed under a label. The stacks' own tags request them, so nothing is read for the list."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from orchestrator.core import wording
from orchestrator.core.model import label_deploys
from orchestrator.core.model.label_deploys import DeployRequests, LabelDeploy
from orchestrator.core.model.world import Confirmation, EnvironmentRequest, Existence, Recipe, RecipeError, Trust
from orchestrator.core.util import formatting
from orchestrator.forges.port import Repository
from orchestrator.sources.port import Candidate, ExistingStacks, SourceListing
from orchestrator.sources.recipe_reader import RecipeQuery, RecipeReader
from stacks.model import Key, RefKind


class LabelDeploys:
    """``requests`` returns what this process knows besides the tags."""

    kinds = frozenset({RefKind.DEPLOY})

    def __init__(self, recipes: RecipeReader, requests: Callable[[], DeployRequests]) -> None:
        self._recipes = recipes
        self._requests = requests

    def list_open(self, repository: Repository, existing: ExistingStacks) -> SourceListing:
        known = self._requests()
        found = {
            key for key in (*existing, *known.orders) if key.kind in self.kinds and key.repository == repository.id
        }
        candidates, unrequested = [], {}
        for key in sorted(found):
            record = existing.get(key)
            if record is not None and record.unreadable:
                continue  # it is open, and nothing is known about it
            wanted = label_deploys.requested(key, record, known, repository.full_name)
            if isinstance(wanted, LabelDeploy):
                waits_for = _room_needed(key, known, existing)
                name = record.name if record else ""
                candidates.append(self._candidate(repository, key, wanted, (name, waits_for)))
            else:
                unrequested[key] = wanted.reason
        return SourceListing(open=frozenset(found), candidates=tuple(candidates), unrequested=unrequested)

    def confirm(self, repository: Repository, key: Key, ref_name: str) -> Confirmation:  # noqa: ARG002 - the port's
        """A stack that exists is listed, with a request or with the reason why it has none."""
        return Confirmation(key, Existence.PRESENT)

    def _candidate(self, repository: Repository, key: Key, deploy: LabelDeploy, state: tuple[str, str]) -> Candidate:
        name, waits_for = state
        read = partial(self._request, repository, key, deploy, name, waits_for)
        unreadable = partial(to_request, repository.full_name, key, deploy, undecided=waits_for)
        return Candidate(key, deploy.commit, read, unreadable)

    def _request(
        self, repository: Repository, key: Key, deploy: LabelDeploy, name: str, waits_for: str
    ) -> EnvironmentRequest:
        """Neither checks nor commit statuses count: a person decided to run exactly this commit."""
        query = RecipeQuery(key, deploy.commit, deploy.label, repository.default_branch)
        recipe = self._recipes.recipe_for(repository, query, name)
        return to_request(repository.full_name, key, deploy, recipe, waits_for)


def to_request(
    repository_name: str, key: Key, deploy: LabelDeploy, recipe: Recipe | RecipeError, undecided: str = ""
) -> EnvironmentRequest:
    """Only people with write access to Eph deploy, and only commits that aren't a fork's."""
    title = formatting.reference(repository_name, key, deploy.label)
    return EnvironmentRequest(
        key=key,
        commit=deploy.commit,
        ref=deploy.label,
        recipe=recipe,
        reason=wording.desired.deployed_by(title, deploy.commit, deploy.by),
        trust=Trust.TRUSTED,
        title=title,
        author=deploy.by,
        undecided=undecided,
        expires_at=deploy.expires_at,
    )


def _room_needed(key: Key, requests: DeployRequests, existing: ExistingStacks) -> str:
    """What a new deploy waits for: the one that makes room for it still exists."""
    order = requests.orders.get(key)
    leaving = existing.get(order.evicts) if order and order.evicts else None
    return wording.desired.waiting_for_room(leaving.tag.ref_name if leaving.tag else "") if leaving else ""
