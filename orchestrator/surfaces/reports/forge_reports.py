"""What the Git host should show of one environment, as values: a comment, a check, a deployment.

Pure. ``Letter.digest`` is the same as long as it says the same, so that what was delivered need not be delivered again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.chat_commands import ChatReply
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import CheckReport, Conclusion, DeploymentReport, Repository
from orchestrator.forges.wording import DEFAULT_WORDS, ForgeWords
from orchestrator.surfaces.reports import check_runs, comment, deployment_states
from stacks.model import Key, RefKind


@dataclass(frozen=True, slots=True)
class CommentReport:
    kind = "comment"
    body: str


@dataclass(frozen=True, slots=True)
class CheckRunReport:
    """``report`` None: nothing is said, because another pull request of that commit speaks there."""

    kind = "check"
    commit: str
    report: CheckReport | None
    name: str = check_runs.CHECK_NAME


@dataclass(frozen=True, slots=True)
class CheckSlot:
    """Where a check stands on the Git host: one place, though several pull requests may have that very commit."""

    repository: int
    commit: str
    name: str


@dataclass(frozen=True, slots=True)
class DeploymentUpdate:
    """``report`` None: all that were made are retired."""

    kind = "deployment"
    environment: str
    commit: str
    report: DeploymentReport | None


@dataclass(frozen=True, slots=True)
class ForgeReport:
    repository: Repository
    key: Key
    phase: Phase
    content: CommentReport | CheckRunReport | DeploymentUpdate

    @property
    def kind(self) -> str:
        return self.content.kind

    @property
    def check_slot(self) -> CheckSlot | None:
        """Of a check."""
        return (
            CheckSlot(self.repository.id, self.content.commit, self.content.name)
            if isinstance(self.content, CheckRunReport)
            else None
        )

    @property
    def is_cleanup(self) -> bool:
        return isinstance(self.content, DeploymentUpdate) and self.content.report is None

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.content).encode()).hexdigest()


def reports_for(
    view: EnvironmentView,
    repository: Repository,
    now: datetime,
    reply: ChatReply | None = None,
    words: ForgeWords = DEFAULT_WORDS,
) -> Iterator[ForgeReport]:
    if view.key is None:
        return
    commit = check_runs.commit_of(view)
    if view.key.kind is RefKind.PULL:  # a branch or a tag has no place for a comment
        yield ForgeReport(repository, view.key, view.phase, CommentReport(comment.render(view, now, reply, words)))
    if commit:
        yield ForgeReport(
            repository,
            view.key,
            view.phase,
            CheckRunReport(commit, check_runs.report(view, now, words), check_runs.name_of(view)),
        )
    told = deployment_states.report(view)
    if (told is not None and commit) or deployment_states.is_over(view):
        yield ForgeReport(repository, view.key, view.phase, DeploymentUpdate(view.name, commit, told))


def suppressed(report: ForgeReport) -> ForgeReport:
    """Of a check: nothing is said in its place."""
    return (
        replace(report, content=replace(report.content, report=None))
        if isinstance(report.content, CheckRunReport)
        else report
    )


def reply_only(key: Key, repository: Repository, reply: ChatReply) -> ForgeReport:
    """An answer where there is no environment."""
    return ForgeReport(repository, key, Phase.DESTROYED, CommentReport(comment.render_reply_only(key, reply)))


def check_owners(reports: Iterable[ForgeReport]) -> dict[CheckSlot, Key]:
    """Whose check stands where: of those who share a place the one that has something to say, the oldest of these.

    One that is over or refused is neutral, and must not cover that the same commit runs and answers elsewhere."""
    found: dict[CheckSlot, tuple[bool, Key]] = {}
    for letter in reports:
        if (
            letter.check_slot is not None
            and isinstance(letter.content, CheckRunReport)
            and letter.content.report is not None
        ):
            rank = (letter.content.report.conclusion is Conclusion.NEUTRAL, letter.key)
            found[letter.check_slot] = min(found.get(letter.check_slot, rank), rank)
    return {place: key for place, (_, key) in found.items()}
