"""What the Git host should show of one environment, as values: a comment, a check, a deployment.

Pure. ``Letter.digest`` is the same as long as it says the same, so that what was delivered need not be delivered again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.commands import Reply
from orchestrator.core.model import Key
from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import CheckReport, Conclusion, DeploymentReport, Repository
from orchestrator.surfaces import checks, comment, deployments
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class Comment:
    what = "comment"
    body: str


@dataclass(frozen=True, slots=True)
class Check:
    """``report`` None: nothing is said, because another pull request of that commit speaks there."""

    what = "check"
    commit: str
    report: CheckReport | None
    name: str = checks.NAME


@dataclass(frozen=True, slots=True)
class Place:
    """Where a check stands on the Git host: one place, though several pull requests may have that very commit."""

    repository: int
    commit: str
    name: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """``report`` None: all that were made are retired."""

    what = "deployment"
    environment: str
    commit: str
    report: DeploymentReport | None


@dataclass(frozen=True, slots=True)
class Letter:
    repository: Repository
    key: Key
    phase: Phase
    says: Comment | Check | Deployment

    @property
    def what(self) -> str:
        return self.says.what

    @property
    def place(self) -> Place | None:
        """Of a check."""
        return Place(self.repository.id, self.says.commit, self.says.name) if isinstance(self.says, Check) else None

    @property
    def is_cleaning(self) -> bool:
        return isinstance(self.says, Deployment) and self.says.report is None

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.says).encode()).hexdigest()


def of(view: EnvironmentView, repository: Repository, now: datetime, reply: Reply | None = None) -> Iterator[Letter]:
    if view.key is None:
        return
    commit = checks.commit_of(view)
    if view.key.kind is RefKind.PULL:  # a branch or a tag has no place for a comment
        yield Letter(repository, view.key, view.phase, Comment(comment.render(view, now, reply)))
    if commit:
        yield Letter(repository, view.key, view.phase, Check(commit, checks.report(view, now), checks.name_of(view)))
    told = deployments.report(view)
    if (told is not None and commit) or deployments.is_over(view):
        yield Letter(repository, view.key, view.phase, Deployment(view.name, commit, told))


def silenced(letter: Letter) -> Letter:
    """Of a check: nothing is said in its place."""
    return replace(letter, says=replace(letter.says, report=None)) if isinstance(letter.says, Check) else letter


def alone(key: Key, repository: Repository, reply: Reply) -> Letter:
    """An answer where there is no environment."""
    return Letter(repository, key, Phase.DESTROYED, Comment(comment.alone(key, reply)))


def speakers(offered: Iterable[Letter]) -> dict[Place, Key]:
    """Whose check stands where: of those who share a place the one that has something to say, the oldest of these.

    One that is over or refused is neutral, and must not cover that the same commit runs and answers elsewhere."""
    found: dict[Place, tuple[bool, Key]] = {}
    for letter in offered:
        if letter.place is not None and isinstance(letter.says, Check) and letter.says.report is not None:
            rank = (letter.says.report.conclusion is Conclusion.NEUTRAL, letter.key)
            found[letter.place] = min(found.get(letter.place, rank), rank)
    return {place: key for place, (_, key) in found.items()}
