"""Publishes the result of every cycle: to the gateway's pages in a file, and to pull requests through the reporter.

An environment that leaves the views without a destroy (for example a refused pull request that loses its label) gets a
final report, so that no comment stays outdated forever. Which final reports are due survives a kill
(``pending_reports``) and is kept while the repository can't be read completely.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from orchestrator.config import file_names
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Repository
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service import wording
from orchestrator.service.chat.replies import ChatReplies, Replies
from orchestrator.service.reports.pending_reports import PendingReports
from programs.kit import files
from stacks.model import Operation, RefKind, StackRef

log = logging.getLogger("eph.shows")

RETRY_INTERVAL = 2.0
"""Seconds until a report that was delayed by rate limiting is retried."""


class GatewayStatesFile:
    """``states.json`` for the gateway's pages: why a host isn't live."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / file_names.PREVIEW_STATES
        self._written: tuple[str, tuple[int, int] | None] = ("", None)
        """The text, and which file it became: another process may have removed or replaced it since."""

    def on_cycle(self, cycle: CycleResult) -> None:
        states = {view.host: _host_state(view) for view in cycle.views if view.host}
        states = _apps_without_host(cycle.views, states) | states
        if cycle.is_paused:
            states = {host: {**state, "paused": True} for host, state in states.items()}
        text = json.dumps({"hosts": states})
        if (text, self._file()) == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        files.write(self._path, text, mode=0o644)
        self._written = text, self._file()

    def _file(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def _apps_without_host(
    views: Sequence[EnvironmentView], states: Mapping[str, dict[str, object]]
) -> dict[str, dict[str, object]]:
    """The states of active versions whose eph.yaml can't be read and that never became live, under their app's host.
    It isn't known whether they require sign-in, and that applies to their label deploys, too."""
    unknown = {
        view.repository: view
        for view in views
        if view.key is not None and view.key.kind is RefKind.BRANCH and not view.host
    }
    return {
        view.app: _host_state(unknown[view.repository])
        for view in views
        if view.app and view.app not in states and view.repository in unknown
    }


def _host_state(view: EnvironmentView) -> dict[str, object]:
    failure = f"{view.failure.step}: {view.failure.error}".strip(": ") if view.failure else ""
    return {
        "environment": view.name,
        "phase": view.phase.value,
        "message": failure or (view.reasons[0] if view.reasons else ""),
        "pull_url": view.pull_url,
        "title": view.title,
        "commit": view.wanted_commit or view.commit,
        "progress": view.progress,
        "failed_at": view.failure.at.timestamp() if view.failure else 0.0,
        "expires_at": view.served_until.timestamp() if view.served_until else 0.0,
        "sign_in": view.sign_in,
        "allow": view.allow,
        **({"bar": _bar(view)} if view.bar else {}),
    }


def _bar(view: EnvironmentView) -> dict[str, object]:
    """The commit that is live, not the desired one."""
    return {
        "commit": view.commit,
        "expires_at": view.expires_at.timestamp() if view.expires_at else 0.0,
        "page_url": view.page_url,
        "pull_url": view.pull_url,
    }


class PullReporter(Protocol):
    """Writes reports to pull requests. Blocking; called from one thread at a time."""

    @property
    def has_pending(self) -> bool:
        """Whether the last ``report`` left anything unwritten."""

    def restore(self, views: Iterable[EnvironmentView]) -> None:
        """Load what an earlier process reported."""

    def report(
        self, views: Sequence[EnvironmentView], repositories: Mapping[int, Repository], replies: Replies
    ) -> list[str]:
        """Report every view. Returns a sentence for each report that failed and will be retried."""

    def report_final(self, view: EnvironmentView, repositories: Mapping[int, Repository], replies: Replies) -> bool:
        """Write a final report. False if it should be retried."""

    def is_delivered(self, view: EnvironmentView, repositories: Mapping[int, Repository], replies: Replies) -> bool:
        """Whether every report about it was written, or rejected too often to retry."""


@dataclass(frozen=True, slots=True)
class NotifierDependencies:
    """``create_reporter`` returns one without memory.

    ``forget_record`` is called when an environment is gone, maybe without a destroy; nothing else deletes its logs.
    """

    create_reporter: Callable[[], PullReporter]
    journal: Journal
    pending_reports: PendingReports
    replies: ChatReplies
    is_leader: Callable[[], bool]
    forget_record: Callable[[StackRef], None]


class Notifier:
    """Keeps pull requests up to date. Reports one cycle at a time in a thread, always the newest."""

    def __init__(self, dependencies: NotifierDependencies) -> None:
        self._dependencies = dependencies
        self._journal = dependencies.journal
        self._store = dependencies.pending_reports
        self._reporter = dependencies.create_reporter()
        self._replies = Replies()
        self._latest_cycle: CycleResult = CycleResult()
        self._changed = asyncio.Event()
        self._report_lock = asyncio.Lock()
        self._thread_lock = threading.Lock()
        """After a cancel, the thread is still running, but the reporter allows only one at a time."""
        self._last_views: dict[StackRef, EnvironmentView] = self._store.load()
        self._reporter.restore(self._last_views.values())
        self._pending: dict[StackRef, EnvironmentView] = {}
        self._reported_destroyed: set[StackRef] = set()

    def start_term(self) -> None:
        """Forget what was reported before this term, because another replica may have reported since."""
        self._reporter, self._latest_cycle = self._dependencies.create_reporter(), CycleResult()
        self._last_views, self._pending, self._reported_destroyed = self._store.load(), {}, set()
        self._reporter.restore(self._last_views.values())

    def on_cycle(self, cycle: CycleResult) -> None:
        now = {view.ref: _with_last_known_name(view, self._last_views.get(view.ref)) for view in cycle.views}
        keys = {view.key for view in cycle.views}
        # Compare by pull request: after a rename of the repository, its stack may have another name.
        missing = {
            ref: view
            for ref, view in self._last_views.items()
            if ref not in now and ref not in self._reported_destroyed
        }
        undecided = {}
        for ref, view in missing.items():
            if view.key in keys:
                self._dependencies.forget_record(ref)
            elif _is_gone(view, cycle):
                self._pending[ref] = (
                    _expired_view(view)
                    if view.phase is Phase.EXPIRED
                    else _final_view(view, wording.NO_LONGER_REQUESTED)
                )
            else:
                undecided[ref] = view
        for ref in self._reported_destroyed - now.keys():  # its destroy may have been killed just before its end
            self._dependencies.forget_record(ref)
        self._reported_destroyed &= {ref for ref, view in now.items() if view.phase is Phase.DESTROYING}
        self._pending = {ref: view for ref, view in self._pending.items() if ref not in now and view.key not in keys}
        self._latest_cycle, self._last_views = cycle, {**undecided, **now}
        self._store.save({**self._pending, **self._last_views}.values())
        self._changed.set()

    def notify(self) -> None:
        """Report again without a new cycle, because there is a reply."""
        self._changed.set()

    async def run(self) -> None:
        """Run until cancelled. Reports that were delayed by rate limiting are retried even without a new cycle."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it ignores a cancel that arrives together with the event.
                async with asyncio.timeout(RETRY_INTERVAL):
                    await self._changed.wait()
            if self._changed.is_set() or self._reporter.has_pending:
                self._changed.clear()
                if self._dependencies.is_leader():
                    await self.report()

    async def report(self) -> None:
        """Report the newest cycle. An error is recorded, and the next call retries."""
        async with self._report_lock:
            pending = dict(self._pending)
            # Never take back a "destroyed": a view may be outdated while an observation hangs.
            views = [view for view in self._latest_cycle.views if view.ref not in self._reported_destroyed]
            self._update_replies()
            try:
                failed, delivered = await asyncio.to_thread(self._report, [*views, *pending.values()], pending)
            except Exception as error:
                log.exception("pull requests couldn't be updated")
                failed, delivered = [wording.reports_failed(error)], []
        for ref in delivered:
            if self._pending.get(ref) is pending[ref]:
                del self._pending[ref]
                self._dependencies.forget_record(ref)
        for sentence in failed:
            self._journal.record(EventKind.REPORT_FAILED, sentence)

    def _update_replies(self) -> None:
        """Select current replies. A final report about a destroyed environment isn't replaced by one."""
        replies = self._dependencies.replies.current()
        shown = {view.key for view in (*self._latest_cycle.views, *self._pending.values(), *self._last_views.values())}
        self._replies = Replies(replies, frozenset(replies) - shown)

    async def report_destroyed(self, operation: Operation, reason: str) -> bool:
        """Report that the environment is destroyed, before its record is removed. False: keep the record."""
        if not self._dependencies.is_leader():
            return False  # The leader reports it and removes the record.
        view = self._last_views.get(operation.ref)
        if view is None or view.key is None or view.key.repository not in self._latest_cycle.forge.repositories:
            return True  # No one to report to: the repository is unreachable or no longer configured.
        gone = _final_view(view, reason)
        async with self._report_lock:
            reported, delivered = await asyncio.to_thread(self._report_one, gone, self._latest_cycle.forge.repositories)
        if reported and delivered:
            self._reported_destroyed.add(operation.ref)  # otherwise its final report is due once it left the views
        return reported and self._dependencies.is_leader()

    def _report(
        self, views: Sequence[EnvironmentView], pending: Mapping[StackRef, EnvironmentView]
    ) -> tuple[list[str], list[StackRef]]:
        """Returns what couldn't be reported, and which final reports were delivered."""
        repositories = self._latest_cycle.forge.repositories
        with self._thread_lock:
            failed = self._reporter.report(views, repositories, self._replies)
            return failed, [ref for ref, view in pending.items() if self._is_delivered(view, repositories)]

    def _report_one(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> tuple[bool, bool]:
        with self._thread_lock:
            reported = self._reporter.report_final(view, repositories, self._replies)
            return reported, self._is_delivered(view, repositories)

    def _is_delivered(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> bool:
        return self._reporter.is_delivered(view, repositories, self._replies)


def _with_last_known_name(view: EnvironmentView, previous: EnvironmentView | None) -> EnvironmentView:
    """Keep the name of a stack that lost its tag, so that reports under that name can be updated."""
    return replace(view, name=previous.name) if previous is not None and not view.name else view


def _final_view(view: EnvironmentView, reason: str) -> EnvironmentView:
    return replace(
        view, phase=Phase.DESTROYED, reasons=(reason,), progress="", url="", urls={}, failure=None, problems=(),
        queue_position=None, command="",
    )  # fmt: skip


def _expired_view(view: EnvironmentView) -> EnvironmentView:
    """Whoever removed its label, people want to know that it expired."""
    return replace(_final_view(view, wording.EXPIRED), phase=Phase.EXPIRED)


def _is_gone(view: EnvironmentView, cycle: CycleResult) -> bool:
    """Absence counts only if the repository was read completely."""
    facts = cycle.forge.facts.get(view.key.repository) if view.key else None
    return facts is not None and view.key is not None and facts.is_complete_for(view.key)
