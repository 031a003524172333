"""Creates the sources of a server. A new source is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.core.model.label_deploys import DeployRequests
from orchestrator.forges.port import Forge
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.label_deploys import LabelDeploys
from orchestrator.sources.port import Source
from orchestrator.sources.pull_requests import PullRequests
from orchestrator.sources.recipe_reader import RecipeReader
from orchestrator.sources.refs import Refs

MAX_REFS = 20


@dataclass(frozen=True, slots=True)
class SourceContext:
    """``guarded_targets`` only run commits by people with write access. ``max_refs`` limits how many branches and tags
    of a repository are used. ``deploys`` returns what this process knows about label deploys besides their tags."""

    forge: Forge
    recipes: RecipeReader
    commits: CommitFacts
    guarded_targets: frozenset[str] = frozenset()
    max_refs: int = MAX_REFS
    deploys: Callable[[], DeployRequests] = DeployRequests


SourcesFactory = Callable[[SourceContext], Sequence[Source]]


def create_sources(context: SourceContext) -> tuple[Source, ...]:
    return (
        PullRequests(context.forge, context.recipes, context.commits, context.guarded_targets),
        Refs(context.forge, context.recipes, context.commits, context.max_refs),
        LabelDeploys(context.recipes, context.deploys),
    )
