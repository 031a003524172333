"""Updates comment, check and deployment of every pull request to match its view, and leaves those that match alone.

Only a digest of what was sent is remembered; after a restart everything is sent once more, and the adapter writes
nothing if the text is the same. Writes are rate-limited: what changes often is sent every few seconds at most, with the
newest content by then; a final state is sent immediately. The reports of a pull request are delivered independently, so
an error (for example, a token that can't write checks) delays only that one. If a Git host says when to come back,
nothing is sent until then. If the host lacks a feature, or forbids it for a whole repository, that is reported once and
counts as delivered; every hour one report tests whether it is still so. Pull requests of the same commit share its
check: one of them owns it (``forge_reports.check_owners``), and the others report nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from orchestrator.core.util.time_windows import TimeWindow, is_within
from orchestrator.core.views.comment_markers import marker
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import (
    CheckReport,
    Conclusion,
    DeploymentReport,
    ForgeForbidden,
    ForgeNotFound,
    ForgeRefused,
    ForgeUnavailable,
    ForgeUnsupported,
    Repository,
)
from orchestrator.forges.wording import ForgeWords
from orchestrator.service.chat.replies import Replies
from orchestrator.surfaces import wording
from orchestrator.surfaces.reports import check_runs, forge_reports
from orchestrator.surfaces.reports.forge_reports import (
    CheckRunReport,
    CheckSlot,
    CommentReport,
    DeploymentUpdate,
    ForgeReport,
)
from stacks.model import Key

WRITE_INTERVAL = timedelta(seconds=5)
FIRST_RETRY = timedelta(seconds=10)
MAX_RETRY = timedelta(minutes=30)
UNSUPPORTED_RETRY = timedelta(hours=1)
"""A forbidden report is retried with increasing delays: a host with problems forbids what it normally allows, and
permissions can be granted while we run. A missing feature is rarely added."""
MAX_REFUSALS = 7
"""Consecutive rejections over ten minutes after which a final report is given up. A single one proves nothing: a Git
host with problems returns 404 and 403, too, and the report would stay wrong until the next attempt."""
NO_REPLIES = Replies()
MAX_CLEANUP_TRIES = 3
"""Failed attempts to retire deployments after which the environment's cleanup continues; they are retired later."""
_IN_PROGRESS_PHASES = frozenset(
    {Phase.QUEUED, Phase.WAITING, Phase.IMAGE, Phase.CREATING, Phase.UPDATING, Phase.STARTING, Phase.DESTROYING}
)


@dataclass(slots=True)
class _DeliveryState:
    """What a comment, a check or a deployment contains, as far as we know, and when it can be written again."""

    digest: str = ""
    phase: Phase | None = None
    written_at: datetime | None = None
    failures: int = 0
    refused: bool = False
    backoff: TimeWindow | None = None
    failed_cleanups: int = 0
    """How often the last cleanup failed; other reports about the same environment in between don't count."""
    in_progress_commit: str = ""
    """The commit whose check is in progress."""


class ReportsForge(Protocol):
    """The verbs of a Git host that reports need."""

    @property
    def words(self) -> ForgeWords: ...

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None: ...

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None: ...

    def report_deployment(
        self, repository: Repository, sha: str, environment: str, report: DeploymentReport
    ) -> None: ...

    def retire_deployment(self, repository: Repository, environment: str) -> str: ...


class Reporter:
    """Blocking; called from one thread at a time. ``may_write`` is checked before every write."""

    def __init__(
        self, forge: ReportsForge, clock: Callable[[], datetime], may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self._forge = forge
        self._clock = clock
        self._may_write_now = may_write
        self._states: dict[tuple[Key, str], _DeliveryState] = {}
        self._forge_backoff: TimeWindow | None = None
        self._unsupported: dict[tuple[int, str], tuple[TimeWindow, bool]] = {}
        """By repository and kind of report: until when none is sent, and whether it is only forbidden."""
        self._warned: set[str] = set()
        self._check_owners: Mapping[CheckSlot, Key] = {}
        self._has_pending = False

    @property
    def has_pending(self) -> bool:
        """Whether the last ``report`` left anything unwritten because of rate limiting or errors."""
        return self._has_pending

    def restore(self, views: Iterable[EnvironmentView]) -> None:
        """Recovers what an earlier process reported: a check that it left in progress would stay so forever after a
        newer commit."""
        for view in views:
            if view.key is not None and check_runs.is_in_progress(view):
                self._states[view.key, CheckRunReport.kind] = _DeliveryState(
                    in_progress_commit=check_runs.commit_of(view)
                )

    def report(
        self, views: Sequence[EnvironmentView], repositories: Mapping[int, Repository], replies: Replies = NO_REPLIES
    ) -> list[str]:
        """Returns a sentence for each report that couldn't be delivered and will be retried. An environment whose
        health isn't known yet after a start of Eph keeps what was reported before: most likely it is still true. So
        does one that waits because the server is paused, unless someone gets a reply."""
        kept = {view.key for view in views if view.unchecked or (view.is_paused and view.key not in replies.by_pull)}
        offered = [report for view in views for report in self._reports_for(view, repositories, replies)]
        offered += _reply_only_reports(repositories, replies)
        living = {report.key for report in offered}
        self._states = {what: sent for what, sent in self._states.items() if what[0] in living}
        self._check_owners = forge_reports.check_owners(offered)
        offered = self._with_suppressed_checks(offered)
        offered = [report for report in offered if report.key not in kept]
        failed = [sentence for report in offered if (sentence := self._deliver(report))]
        self._has_pending = any(not self._is_current(report) for report in offered)
        return failed

    def report_final(
        self, view: EnvironmentView, repositories: Mapping[int, Repository], replies: Replies = NO_REPLIES
    ) -> bool:
        """Reports one pull request now, before the record of its environment is removed. False: it may work later, call
        it again. True also if the Git host rejected it, or if retiring deployments failed repeatedly: an environment's
        end must not wait for what may never succeed."""
        offered = self._with_suppressed_checks(self._reports_for(view, repositories, replies))
        for report in offered:
            self._deliver(report)
        return all(self._is_current(report) or _is_given_up(report, self._state_of(report)) for report in offered)

    def is_delivered(
        self, view: EnvironmentView, repositories: Mapping[int, Repository], replies: Replies = NO_REPLIES
    ) -> bool:
        """Whether everything was reported, or was rejected so often that it is given up."""
        offered = [
            (report, self._state_of(report))
            for report in self._with_suppressed_checks(self._reports_for(view, repositories, replies))
        ]
        return all(
            self._is_current(report) or (sent.refused and sent.failures >= MAX_REFUSALS) for report, sent in offered
        )

    def _reports_for(
        self, view: EnvironmentView, repositories: Mapping[int, Repository], replies: Replies
    ) -> list[ForgeReport]:
        repository = repositories.get(view.key.repository) if view.key is not None else None
        if repository is None or view.key is None:
            return []
        reply, words = replies.by_pull.get(view.key), self._forge.words
        return list(forge_reports.reports_for(view, repository, self._clock(), reply, words))

    def _with_suppressed_checks(self, reports: Iterable[ForgeReport]) -> list[ForgeReport]:
        """Where another pull request owns the check, this one reports nothing."""
        return [forge_reports.suppressed(one) if self._is_covered(one.check_slot, one.key) else one for one in reports]

    def _is_covered(self, slot: CheckSlot | None, key: Key) -> bool:
        return slot is not None and self._check_owners.get(slot, key) != key

    def _state_of(self, report: ForgeReport) -> _DeliveryState:
        return self._states.setdefault((report.key, report.kind), _DeliveryState())

    def _is_current(self, report: ForgeReport) -> bool:
        return self._state_of(report).digest == report.digest or self._is_unsupported(report)

    def _is_unsupported(self, report: ForgeReport) -> bool:
        rest, forbidden = self._unsupported.get((report.repository.id, report.kind), (None, False))
        # A host with problems also forbids what it allowed before, and then there is something to clean up.
        return rest is not None and rest.contains(self._clock()) and not (forbidden and report.is_cleanup)

    def _deliver(self, report: ForgeReport) -> str:
        sent = self._state_of(report)
        if self._is_current(report) or not self._may_write(report, sent):
            return ""
        try:
            left = self._write(report, sent)
        except (ForgeUnsupported, ForgeForbidden) as error:
            sentence = self._failed(report, sent, error)
            return sentence if report.kind == "comment" else self._mark_unsupported(report, error)
        except Exception as error:  # noqa: BLE001 - an error with one pull request must not affect the others
            return self._failed(report, sent, error)
        sent.digest, sent.phase, sent.written_at = report.digest, report.phase, self._clock()
        sent.failures, sent.refused, sent.backoff = 0, False, None
        self._unsupported.pop((report.repository.id, report.kind), None)
        sent.failed_cleanups = 0 if report.is_cleanup else sent.failed_cleanups
        return self._warn_once(report.repository, left)

    def _mark_unsupported(self, report: ForgeReport, error: ForgeRefused) -> str:
        what = (report.repository.id, report.kind)
        before = self._unsupported.get(what)
        forbidden = isinstance(error, ForgeForbidden)
        length = UNSUPPORTED_RETRY
        if forbidden:
            length = FIRST_RETRY if before is None else min(UNSUPPORTED_RETRY, 2 * before[0].length)
        self._unsupported[what] = TimeWindow(self._clock(), length), forbidden
        words = self._forge.words
        problem = wording.reports.kind_not_shown(words.report(report.kind), words.pull_request)
        return self._warn_once(report.repository, f"{problem}: {error}")

    def _warn_once(self, repository: Repository, sentence: str) -> str:
        """Reported once per repository and process."""
        whole = f"{repository.full_name}: {sentence}" if sentence else ""
        if whole in self._warned:
            return ""
        self._warned.add(whole)
        return whole

    def _may_write(self, report: ForgeReport, state: _DeliveryState) -> bool:
        now = self._clock()
        if not self._may_write_now():
            return False
        if any(rest is not None and rest.contains(now) for rest in (self._forge_backoff, state.backoff)):
            return False
        if report.phase is not state.phase and report.phase not in _IN_PROGRESS_PHASES:
            return True
        return state.written_at is None or not is_within(state.written_at, WRITE_INTERVAL, now)

    def _write(self, report: ForgeReport, sent: _DeliveryState) -> str:
        """Returns what couldn't be done."""
        repository = report.repository
        match report.content:
            case CommentReport(body):
                self._forge.upsert_comment(repository, report.key.number, marker(report.key), body)
            case CheckRunReport():
                self._write_check(report, report.content, sent)
            case DeploymentUpdate(environment, commit, update):
                if update is None:
                    return self._forge.retire_deployment(repository, environment)
                self._forge.report_deployment(repository, commit, environment, update)
            case _:
                assert_never(report.content)
        return ""

    def _write_check(self, report: ForgeReport, check: CheckRunReport, state: _DeliveryState) -> None:
        left = CheckSlot(report.repository.id, state.in_progress_commit, check.name)
        if state.in_progress_commit not in ("", check.commit) and not self._is_covered(left, report.key):
            self._forge.report_check(
                report.repository, state.in_progress_commit, check.name, check_runs.superseded(check.commit)
            )
        state.in_progress_commit = ""
        if check.report is not None:
            self._forge.report_check(report.repository, check.commit, check.name, check.report)
            state.in_progress_commit = check.commit if check.report.conclusion is Conclusion.IN_PROGRESS else ""

    def _failed(self, report: ForgeReport, state: _DeliveryState, error: Exception) -> str:
        state.failures += 1
        state.failed_cleanups += report.is_cleanup
        state.refused = isinstance(error, ForgeRefused | ForgeNotFound)
        state.backoff = TimeWindow(self._clock(), _retry_delay(state.failures, error))
        if isinstance(error, ForgeUnavailable) and error.retry_after is not None:
            self._forge_backoff = state.backoff
        words = self._forge.words
        where, what = words.reference(report.repository.full_name, report.key), words.report(report.kind)
        why = str(error).strip() or type(error).__name__
        again = state.backoff.end.strftime("%H:%M:%S UTC")
        return wording.reports.update_failed(where, what, again, why)


def _reply_only_reports(repositories: Mapping[int, Repository], replies: Replies) -> list[ForgeReport]:
    homes = [(key, repositories.get(key.repository), replies.by_pull.get(key)) for key in sorted(replies.reply_only)]
    return [
        forge_reports.reply_only(key, home, reply)
        for key, home, reply in homes
        if home is not None and reply is not None
    ]


def _is_given_up(report: ForgeReport, state: _DeliveryState) -> bool:
    return state.refused or (report.is_cleanup and state.failed_cleanups >= MAX_CLEANUP_TRIES)


def _retry_delay(failures: int, error: Exception) -> timedelta:
    if isinstance(error, ForgeUnavailable) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    factor: int = 2 ** min(failures - 1, 16)
    return min(MAX_RETRY, FIRST_RETRY * factor)
