"""Posts a person's report of a problem in a preview as a comment on its pull request (P13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.forges.port import ForgeError
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service.changes import wording
from orchestrator.service.changes.git_host import GitHostChanges
from orchestrator.service.port import ProblemReport, RefusalReason, RequestRefused
from stacks.model import RefKind

MAX_TEXT = 2000
MAX_PATH = 500


@dataclass(frozen=True, slots=True)
class MarkedComment:
    """``marker`` is hidden in ``body``. Sending the same report twice makes one comment."""

    marker: str
    body: str


RenderProblem = Callable[[EnvironmentView, ProblemReport, str], MarkedComment]
"""The comment for a report, with the name of the person who wrote it."""


@dataclass(frozen=True, slots=True)
class ProblemReporter:
    git_host: GitHostChanges
    journal: Journal
    render: RenderProblem

    async def report(self, view: EnvironmentView, report: ProblemReport, by: str) -> str:
        """Returns the URL of the pull request. Raises RequestRefused."""
        _check(report)
        _, repository = self.git_host.find(view)
        if view.key is None or view.key.kind is not RefKind.PULL or repository is None:
            raise RequestRefused(RefusalReason.NO_PULL_REQUEST, wording.no_pull_request(view.name))
        comment = self.render(view, report, by)
        try:
            await asyncio.to_thread(
                self.git_host.forge.upsert_comment, repository, view.key.number, comment.marker, comment.body
            )
        except ForgeError as error:
            raise RequestRefused(RefusalReason.FORGE_ERROR, wording.report_not_posted(error)) from error
        self.journal.record(EventKind.PROBLEM_REPORTED, wording.reported_problem(report.path), str(view.ref), by)
        return view.pull_url


def _check(report: ProblemReport) -> None:
    if not report.text.strip():
        raise RequestRefused(RefusalReason.INVALID_REPORT, wording.EMPTY_REPORT)
    if len(report.text) > MAX_TEXT or len(report.path) > MAX_PATH:
        raise RequestRefused(RefusalReason.INVALID_REPORT, wording.report_too_long(MAX_TEXT))
