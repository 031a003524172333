"""Pull requests of the simulated world: what a person would do to one is an attribute to set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.model.world import CheckState, EnvironmentRequest, Recipe, RecipeError
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.sources.pull_requests import PullRequestFacts, to_request
from programs.spec import EnvironmentSpec, GitSource, ServiceSpec
from stacks.model import Key

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PREVIEW = frozenset({"preview"})


def sha(text: str) -> str:
    """A commit that is easy to read: its first seven characters are the text's."""
    return f"{text:0<40}"


def spec(name: str, commit: str, target: str = "local") -> EnvironmentSpec:
    source = GitSource("shop.git", commit, "branch")
    return EnvironmentSpec(name, f"{name}.localhost", target, "shop", source, (ServiceSpec("web", "serve"),))


@dataclass
class SimulatedPull:
    key: Key
    commit: str
    labels: frozenset[str] = PREVIEW
    state: PullState = PullState.OPEN
    seen: datetime = START
    behind_since: datetime | None = None
    fork: bool = False
    approved: str = ""
    draft: bool = False
    trusted: bool | None = True
    problems: tuple[str, ...] = ()
    transient: bool = False
    retry: bool = False
    checks: dict[str, CheckState] = field(default_factory=dict)
    matches_paths: bool | None = True
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"shop{self.key.repository}-gentle-stream-{self.key.number}"

    @property
    def on_host(self) -> PullRequest:
        return PullRequest(
            self.key,
            self.state,
            "A change",
            self.labels,
            "ann",
            self.commit,
            "branch",
            "main",
            "http://host/pull",
            from_fork=self.fork,
            draft=self.draft,
        )

    def request(self, repository_name: str, expired: bool) -> EnvironmentRequest:
        made = Recipe(spec(self.name, self.commit), PREVIEW)
        recipe = RecipeError(self.problems, PREVIEW, self.transient) if self.problems else replace(made, **self.recipe)
        facts = PullRequestFacts(self.trusted, self.matches_paths, dict(self.checks))
        made_request = to_request(repository_name, self.on_host, recipe, facts)
        return replace(made_request, retry_requested=self.retry, expired=expired, approval=self.approved)

    @property
    def desired(self) -> bool:
        return self.state is PullState.OPEN and bool(self.labels & PREVIEW) and not self.draft
