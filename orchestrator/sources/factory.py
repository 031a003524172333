"""Creates the sources of a server. A new source is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.forges.port import Forge
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.port import Source
from orchestrator.sources.pull_requests import PullRequests
from orchestrator.sources.recipe_reader import RecipeReader
from orchestrator.sources.refs import Refs

MAX_REFS = 20


@dataclass(frozen=True, slots=True)
class SourceContext:
    """``guarded_targets`` only run commits by people with write access. ``max_refs`` limits how many branches and tags
    of a repository are used."""

    forge: Forge
    recipes: RecipeReader
    commits: CommitFacts
    guarded_targets: frozenset[str] = frozenset()
    max_refs: int = MAX_REFS


SourcesFactory = Callable[[SourceContext], Sequence[Source]]


def create_sources(context: SourceContext) -> tuple[Source, ...]:
    return (
        PullRequests(context.forge, context.recipes, context.commits, context.guarded_targets),
        Refs(context.forge, context.recipes, context.commits, context.max_refs),
    )
