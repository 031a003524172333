"""Another source is one module and its composition: here one whose desire lives in the stacks' own tags. L1, L7."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from orchestrator.core.model.world import (
    Confirmation,
    EnvironmentRequest,
    Existence,
    Recipe,
    RecipeError,
    Trust,
)
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Repository
from orchestrator.sources.factory import SourceContext
from orchestrator.sources.port import Candidate, ExistingStacks, Source, SourceListing
from orchestrator.sources.pull_requests import PullRequests
from orchestrator.sources.recipe_reader import RecipeQuery
from stacks import keys
from stacks.model import Key, RefKind
from tests.worlds.world import World

Deploys = dict[Key, tuple[str, str]]
"""By key: the name and the commit."""


class NamedDeploys:
    """Someone deploys a commit under a name. ``ordered`` is lost with the process; from then on, the tag requests it.

    It takes the place of the source of branches and tags, so a branch of that name isn't what it is about.
    """

    kinds = frozenset({RefKind.BRANCH, RefKind.TAG})

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self.ordered: Deploys = {}

    def order(self, repository: Repository, name: str, commit: str) -> Key:
        key = keys.ref(repository.id, RefKind.BRANCH, name)
        self.ordered[key] = (name, commit)
        return key

    def list_open(self, repository: Repository, existing: ExistingStacks) -> SourceListing:
        kept = {
            key: (record.tag.ref_name, record.tag.commit)
            for key, record in existing.items()
            if key.repository == repository.id and key.kind in self.kinds and record.tag is not None
        }
        found = {**kept, **{key: each for key, each in self.ordered.items() if key.repository == repository.id}}
        return SourceListing(
            open=frozenset(found),
            candidates=tuple(
                Candidate(
                    key, commit,
                    partial(self._request, repository, key, name, commit),
                    partial(_request, key, name, commit),
                )
                for key, (name, commit) in found.items()
            ),
        )  # fmt: skip

    def confirm(self, repository: Repository, key: Key, ref_name: str) -> Confirmation:
        """What has a stack is always in the list."""
        return Confirmation(key, Existence.PRESENT)

    def _request(self, repository: Repository, key: Key, name: str, commit: str) -> EnvironmentRequest:
        query = RecipeQuery(key, commit, name, repository.default_branch)
        recipe = self._context.recipes.recipe_for(repository, query, "")
        return self._context.commits.with_marks(repository, _request(key, name, commit, recipe))


def _request(key: Key, name: str, commit: str, recipe: Recipe | RecipeError) -> EnvironmentRequest:
    return EnvironmentRequest(key, commit, name, recipe, f"{name} was deployed", Trust.TRUSTED)


class PullsAndDeploys:
    """Composes pull requests and named deploys; ``deploys`` belongs to the running process."""

    deploys: NamedDeploys

    def __call__(self, context: SourceContext) -> Sequence[Source]:
        self.deploys = NamedDeploys(context)
        return (*only_pull_requests(context), self.deploys)


def only_pull_requests(context: SourceContext) -> Sequence[Source]:
    return (PullRequests(context.forge, context.recipes, context.commits, context.guarded_targets),)


@pytest.fixture
def sources() -> PullsAndDeploys:
    return PullsAndDeploys()


@pytest.fixture
async def world(sources: PullsAndDeploys) -> AsyncIterator[World]:
    made = World(sources=sources)
    yield made
    await made.close()


def order(world: World, sources: PullsAndDeploys) -> Key:
    return sources.deploys.order(world.shop, "sales-demo", world.forge.branch(world.shop, "main"))


async def test_an_order_creates_an_environment_that_outlives_the_process(
    world: World, sources: PullsAndDeploys
) -> None:
    key = order(world, sources)
    await world.run_for(minutes=2)
    view = world.view(key)
    assert view is not None
    assert (view.phase, view.ref_name) == (Phase.READY, "sales-demo")
    await world.crash()
    assert sources.deploys.ordered == {}
    await world.run_for(minutes=10)
    assert world.phase(key) is Phase.READY


async def test_pull_requests_live_beside_it(world: World, sources: PullsAndDeploys) -> None:
    key, number = order(world, sources), world.open_pull()
    await world.run_for(minutes=2)
    assert (world.phase(key), world.phase(number)) == (Phase.READY, Phase.READY)
    world.close_pull(number)
    await world.run_for(minutes=2)
    assert (world.stack(number), world.phase(key)) == (None, Phase.READY)


async def test_a_person_destroys_it(world: World, sources: PullsAndDeploys) -> None:
    key = order(world, sources)
    await world.run_for(minutes=2)
    sources.deploys.ordered.clear()
    await world.system.service.down(str(world.ref(key)), "ada")
    await world.run_for(minutes=2)
    assert world.stack(key) is None


async def test_a_kind_that_nothing_reads_is_never_destroyed(world: World, sources: PullsAndDeploys) -> None:  # L7
    """Pitfall 3: a server that lost a source, through a bug or a rollback, keeps what it created."""
    key = order(world, sources)
    await world.run_for(minutes=2)
    world.sources = only_pull_requests
    await world.crash()
    await world.run_for(minutes=10)
    assert world.stack(key) is not None
    plan = world.last_cycle.plan
    assert plan is not None
    assert any("branches" in note and "tags" in note for note in plan.notes)
