"""What the Git host should show about one environment, as values: a comment, a check, a deployment.

Pure. ``ForgeReport.digest`` is the same for the same content, so that what was written isn't written again.
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
    """``report`` None: nothing is reported, because another pull request of that commit owns the check."""

    kind = "check"
    commit: str
    report: CheckReport | None
    name: str = check_runs.CHECK_NAME


@dataclass(frozen=True, slots=True)
class CheckSlot:
    """A check's location on the Git host: one slot, even if several pull requests have that exact commit."""

    repository: int
    commit: str
    name: str


@dataclass(frozen=True, slots=True)
class DeploymentUpdate:
    """``report`` None: all deployments are retired."""

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
        """The slot of a check."""
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
    if view.key is None or view.key.kind is RefKind.DEPLOY:  # nothing at the Git host requested it
        return
    commit = check_runs.commit_of(view)
    if view.key.kind is RefKind.PULL:  # a branch or tag has no comment
        yield ForgeReport(repository, view.key, view.phase, CommentReport(comment.render(view, now, reply, words)))
    if commit:
        yield ForgeReport(
            repository,
            view.key,
            view.phase,
            CheckRunReport(commit, check_runs.report(view, now, words), check_runs.name_of(view)),
        )
    deployment = deployment_states.report(view)
    if (deployment is not None and commit) or deployment_states.is_over(view):
        yield ForgeReport(repository, view.key, view.phase, DeploymentUpdate(view.name, commit, deployment))


def suppressed(report: ForgeReport) -> ForgeReport:
    """For a check: nothing is reported in its slot."""
    return (
        replace(report, content=replace(report.content, report=None))
        if isinstance(report.content, CheckRunReport)
        else report
    )


def reply_only(key: Key, repository: Repository, reply: ChatReply) -> ForgeReport:
    """A reply where there is no environment."""
    return ForgeReport(repository, key, Phase.DESTROYED, CommentReport(comment.render_reply_only(key, reply)))


def check_owners(reports: Iterable[ForgeReport]) -> dict[CheckSlot, Key]:
    """The owner of each check slot: among pull requests that share one, those with something to report, and of these
    the oldest. An environment that is gone or rejected is neutral, and must not hide that the same commit is live
    elsewhere."""
    found: dict[CheckSlot, tuple[bool, Key]] = {}
    for report in reports:
        if (
            report.check_slot is not None
            and isinstance(report.content, CheckRunReport)
            and report.content.report is not None
        ):
            rank = (report.content.report.conclusion is Conclusion.NEUTRAL, report.key)
            found[report.check_slot] = min(found.get(report.check_slot, rank), rank)
    return {place: key for place, (_, key) in found.items()}
