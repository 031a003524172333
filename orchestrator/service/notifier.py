"""Who is shown every cycle's outcome: the gateway's pages by a file, pull requests by the reporter.

What vanishes from the views without a destroy (a pull request that was refused or waited, and is not labelled any more)
gets a last word, so that no comment says for ever what was true once. Who is owed one is remembered over a kill
(``owed``), and while its repository cannot be read whole.
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

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Repository
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service.chat_replies import ChatReplies, Replies
from orchestrator.service.pending_reports import PendingReports
from programs.kit import files
from stacks.model import Operation, StackRef

log = logging.getLogger("eph.shows")

RETRY_INTERVAL = 2.0
"""Seconds after which what was held back by pacing is offered again."""


class GatewayStatesFile:
    """``states.json`` for the gateway's pages: why a host has no answer of its own."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "states.json"
        self._written = ""

    def on_cycle(self, cycle: CycleResult) -> None:
        text = json.dumps({"hosts": {view.host: _host_state(view) for view in cycle.views if view.host}})
        if text == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        files.write(self._path, text, mode=0o644)
        self._written = text


def _host_state(view: EnvironmentView) -> dict[str, str | float]:
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
    }


NO_LONGER_REQUESTED = "No longer needed: the pull request was closed, or its label was removed."


class PullReporter(Protocol):
    """Writes what pull requests show. Blocking; called from one thread at a time."""

    @property
    def has_pending(self) -> bool:
        """Whether the last ``report`` left anything unwritten."""

    def restore(self, views: Iterable[EnvironmentView]) -> None:
        """What an earlier process reported."""

    def report(
        self, views: Sequence[EnvironmentView], repositories: Mapping[int, Repository], replies: Replies
    ) -> list[str]:
        """A sentence for each report that could not be written; it is tried again."""

    def report_final(self, view: EnvironmentView, repositories: Mapping[int, Repository], replies: Replies) -> bool:
        """False: it may work later."""

    def is_delivered(self, view: EnvironmentView, repositories: Mapping[int, Repository], replies: Replies) -> bool:
        """Whether everything about it was written, or refused so often that it is given up."""


@dataclass(frozen=True, slots=True)
class NotifierDependencies:
    """``create_reporter`` gives one that remembers nothing. ``forget_record`` is called for an environment that left,
    perhaps without a destroy: nothing else deletes its logs."""

    create_reporter: Callable[[], PullReporter]
    journal: Journal
    pending_reports: PendingReports
    replies: ChatReplies
    is_leader: Callable[[], bool]
    forget_record: Callable[[StackRef], None]


class Notifier:
    """Keeps pull requests told. One report at a time, in a thread; whatever is newest when it ends goes next."""

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
        """A cancelled turn leaves its thread at work, and the reporter is for one at a time."""
        self._last_views: dict[StackRef, EnvironmentView] = self._store.load()
        self._reporter.restore(self._last_views.values())
        self._pending: dict[StackRef, EnvironmentView] = {}
        self._reported_destroyed: set[StackRef] = set()

    def start_term(self) -> None:
        """Forgets what was reported before this term: another replica may have reported since."""
        self._reporter, self._latest_cycle = self._dependencies.create_reporter(), CycleResult()
        self._last_views, self._pending, self._reported_destroyed = self._store.load(), {}, set()
        self._reporter.restore(self._last_views.values())

    def on_cycle(self, cycle: CycleResult) -> None:
        now = {view.ref: _with_last_known_name(view, self._last_views.get(view.ref)) for view in cycle.views}
        keys = {view.key for view in cycle.views}
        # By its pull request: a renamed repository's environment may be a stack of another name by now.
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
                    _expired_view(view) if view.phase is Phase.EXPIRED else _final_view(view, NO_LONGER_REQUESTED)
                )
            else:
                undecided[ref] = view
        for ref in (
            self._reported_destroyed - now.keys()
        ):  # its destroy may have been killed when all but its result was there
            self._dependencies.forget_record(ref)
        self._reported_destroyed &= {ref for ref, view in now.items() if view.phase is Phase.DESTROYING}
        self._pending = {ref: view for ref, view in self._pending.items() if ref not in now and view.key not in keys}
        self._latest_cycle, self._last_views = cycle, {**undecided, **now}
        self._store.save({**self._pending, **self._last_views}.values())
        self._changed.set()

    def notify(self) -> None:
        """There is something new to say though no cycle came: an answer."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. What pacing held back is offered again though nothing new came."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the wake.
                async with asyncio.timeout(RETRY_INTERVAL):
                    await self._changed.wait()
            if self._changed.is_set() or self._reporter.has_pending:
                self._changed.clear()
                if self._dependencies.is_leader():
                    await self.report()

    async def report(self) -> None:
        """Once, with what is newest. An error is told, and the next turn tries again."""
        async with self._report_lock:
            owed = dict(self._pending)
            # One that was told that it is gone stays so: what was seen before may be shown for as long as a look hangs.
            views = [view for view in self._latest_cycle.views if view.ref not in self._reported_destroyed]
            self._update_replies()
            try:
                failed, said = await asyncio.to_thread(self._report, [*views, *owed.values()], owed)
            except Exception as error:
                log.exception("pull requests could not be updated")
                failed, said = [f"pull requests could not be updated: {type(error).__name__}: {error}"], []
        for ref in said:
            if self._pending.get(ref) is owed[ref]:
                del self._pending[ref]
                self._dependencies.forget_record(ref)
        for sentence in failed:
            self._journal.record(EventKind.REPORT_FAILED, sentence)

    def _update_replies(self) -> None:
        """Whose environment has gone and was told so keeps that as the last word."""
        replies = self._dependencies.replies.current()
        shown = {view.key for view in (*self._latest_cycle.views, *self._pending.values(), *self._last_views.values())}
        self._replies = Replies(replies, frozenset(replies) - shown)

    async def report_destroyed(self, operation: Operation, reason: str) -> bool:
        """Reports on the pull request that its environment is gone, before its record is removed. False: not reported
        yet, keep the record."""
        if not self._dependencies.is_leader():
            return False  # Whoever leads tells it, and lets the record go.
        view = self._last_views.get(operation.ref)
        if view is None or view.key is None or view.key.repository not in self._latest_cycle.forge.repositories:
            return True  # Nobody is there to be told: the repository itself is out of reach, or not ours any more.
        gone = _final_view(view, reason)
        async with self._report_lock:
            told, said = await asyncio.to_thread(self._report_one, gone, self._latest_cycle.forge.repositories)
        if told and said:
            self._reported_destroyed.add(operation.ref)  # else it is owed its last word when it has gone from the views
        return told and self._dependencies.is_leader()

    def _report(
        self, views: Sequence[EnvironmentView], pending: Mapping[StackRef, EnvironmentView]
    ) -> tuple[list[str], list[StackRef]]:
        """What could not be told, and the last words that were."""
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
    """A stack that lost its tag may not tell its name any more; what was shown under it must still be taken back."""
    return replace(view, name=previous.name) if previous is not None and not view.name else view


def _final_view(view: EnvironmentView, reason: str) -> EnvironmentView:
    return replace(
        view, phase=Phase.DESTROYED, reasons=(reason,), progress="", url="", urls={}, failure=None, problems=(),
        queue_position=None, command="",
    )  # fmt: skip


def _expired_view(view: EnvironmentView) -> EnvironmentView:
    """Its label was taken off by us or by a person: either way that it expired is what people want to know."""
    return replace(_final_view(view, "The environment expired."), phase=Phase.EXPIRED)


def _is_gone(view: EnvironmentView, cycle: CycleResult) -> bool:
    """Absence counts only where the repository was read whole."""
    facts = cycle.forge.facts.get(view.key.repository) if view.key else None
    return facts is not None and view.key is not None and facts.is_complete_for(view.key)
