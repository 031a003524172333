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
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.app.owed import Owed
from orchestrator.core.commands import Reply
from orchestrator.core.model import Key
from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import Repository
from orchestrator.ledger import kinds
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Shown
from orchestrator.surfaces.reporter import Reporter
from stacks.model import Operation, StackRef

log = logging.getLogger("eph.shows")

PACE = 2.0
"""Seconds after which what was held back by pacing is offered again."""


class States:
    """``states.json`` for the gateway's pages: why a host has no answer of its own."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "states.json"
        self._written = ""

    def show(self, shown: Shown) -> None:
        text = json.dumps({"hosts": {view.host: _state(view) for view in shown.views if view.host}})
        if text == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f".states.{os.getpid()}")
        fresh.write_text(text)
        fresh.replace(self._path)
        self._written = text


def _state(view: EnvironmentView) -> dict[str, str | float]:
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


NOT_WANTED = "Not wanted any more: it was closed, or its label was taken away."


class Herald:
    """Keeps pull requests told. One report at a time, in a thread; whatever is newest when it ends goes next."""

    why: Callable[[StackRef], str] = staticmethod(lambda _: "")
    forget: Callable[[StackRef], None] = staticmethod(lambda _: None)
    """Called for what left, perhaps without a destroy that could say so: nothing else takes its logs away."""
    leads: Callable[[], bool] = staticmethod(lambda: True)
    """Asked before anybody is told anything: another replica may lead by now."""

    replies: Callable[[], Mapping[Key, Reply]] = staticmethod(dict)
    """What chat commands were answered."""

    def __init__(self, reporter: Reporter, journal: Journal, kept: Owed | None = None) -> None:
        self._reporter = reporter
        self._journal = journal
        self._kept = kept or Owed()
        self._newest: Shown = Shown()
        self._fresh = asyncio.Event()
        self._turn = asyncio.Lock()
        self._thread = threading.Lock()
        """A cancelled turn leaves its thread at work, and the reporter is for one at a time."""
        self._last: dict[StackRef, EnvironmentView] = self._kept.recall()
        reporter.recall(self._last.values())
        self._owed: dict[StackRef, EnvironmentView] = {}
        self._told: set[StackRef] = set()

    def begin(self, reporter: Reporter) -> None:
        """A term of leading begins: what others told meanwhile is not what we remember."""
        reporter.may_write = self.leads
        self._reporter, self._newest = reporter, Shown()
        self._last, self._owed, self._told = self._kept.recall(), {}, set()
        reporter.recall(self._last.values())

    def show(self, shown: Shown) -> None:
        now = {view.ref: _as_called_before(view, self._last.get(view.ref)) for view in shown.views}
        keys = {view.key for view in shown.views}
        # By its pull request: a renamed repository's environment may be a stack of another name by now.
        missing = {ref: view for ref, view in self._last.items() if ref not in now and ref not in self._told}
        undecided = {}
        for ref, view in missing.items():
            if view.key in keys:
                self.forget(ref)
            elif _is_wanted_no_more(view, shown):
                self._owed[ref] = _expired(view) if view.phase is Phase.EXPIRED else _last_word(view, NOT_WANTED)
            else:
                undecided[ref] = view
        for ref in self._told - now.keys():  # its destroy may have been killed when all but its result was there
            self.forget(ref)
        self._told &= {ref for ref, view in now.items() if view.phase is Phase.DESTROYING}
        self._owed = {ref: view for ref, view in self._owed.items() if ref not in now and view.key not in keys}
        self._newest, self._last = shown, {**undecided, **now}
        self._kept.keep({**self._owed, **self._last}.values())
        self._fresh.set()

    def again(self) -> None:
        """There is something new to say though no cycle came: an answer."""
        self._fresh.set()

    async def run(self) -> None:
        """Until cancelled. What pacing held back is offered again though nothing new came."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the wake.
                async with asyncio.timeout(PACE):
                    await self._fresh.wait()
            if self._fresh.is_set() or self._reporter.behind:
                self._fresh.clear()
                if self.leads():
                    await self.report()

    async def report(self) -> None:
        """Once, with what is newest. An error is told, and the next turn tries again."""
        async with self._turn:
            owed = dict(self._owed)
            # One that was told that it is gone stays so: what was seen before may be shown for as long as a look hangs.
            views = [view for view in self._newest.views if view.ref not in self._told]
            self._take_replies()
            try:
                failed, said = await asyncio.to_thread(self._report, [*views, *owed.values()], owed)
            except Exception as error:
                log.exception("pull requests could not be told")
                failed, said = [f"pull requests could not be told: {type(error).__name__}: {error}"], []
        for ref in said:
            if self._owed.get(ref) is owed[ref]:
                del self._owed[ref]
                self.forget(ref)
        for sentence in failed:
            self._journal.tell(kinds.REPORT_FAILED, sentence)

    def _take_replies(self) -> None:
        """Whose environment has gone and was told so keeps that as the last word."""
        replies = self.replies()
        shown = {view.key for view in (*self._newest.views, *self._owed.values(), *self._last.values())}
        self._reporter.replies, self._reporter.alone = replies, frozenset(replies) - shown

    async def destroyed(self, operation: Operation) -> bool:
        """Tells a pull request that its environment is gone, before the record of it goes; False: not told."""
        if not self.leads():
            return False  # Whoever leads tells it, and lets the record go.
        view = self._last.get(operation.ref)
        if view is None or view.key is None or view.key.repository not in self._newest.forge.repositories:
            return True  # Nobody is there to be told: the repository itself is out of reach, or not ours any more.
        gone = _last_word(view, self.why(operation.ref))
        async with self._turn:
            told, said = await asyncio.to_thread(self._tell, gone, self._newest.forge.repositories)
        if told and said:
            self._told.add(operation.ref)  # else it is owed its last word when it has gone from the views
        return told and self.leads()

    def _report(
        self, views: Sequence[EnvironmentView], owed: Mapping[StackRef, EnvironmentView]
    ) -> tuple[list[str], list[StackRef]]:
        """What could not be told, and the last words that were."""
        repositories = self._newest.forge.repositories
        with self._thread:
            failed = self._reporter.report(views, repositories)
            return failed, [ref for ref, view in owed.items() if self._reporter.settled(view, repositories)]

    def _tell(self, view: EnvironmentView, repositories: Mapping[int, Repository]) -> tuple[bool, bool]:
        with self._thread:
            return self._reporter.tell(view, repositories), self._reporter.settled(view, repositories)


def _as_called_before(view: EnvironmentView, before: EnvironmentView | None) -> EnvironmentView:
    """A stack that lost its tag may not tell its name any more; what was shown under it must still be taken back."""
    return replace(view, name=before.name) if before is not None and not view.name else view


def _last_word(view: EnvironmentView, why: str) -> EnvironmentView:
    return replace(
        view, phase=Phase.DESTROYED, reasons=(why,), progress="", url="", urls={}, failure=None, problems=(),
        queue_position=None, command="",
    )  # fmt: skip


def _expired(view: EnvironmentView) -> EnvironmentView:
    """Its label was taken off by us or by a person: either way that it expired is what people want to know."""
    return replace(_last_word(view, "Its time ran out."), phase=Phase.EXPIRED)


def _is_wanted_no_more(view: EnvironmentView, shown: Shown) -> bool:
    """Absence counts only where the repository was read whole."""
    facts = shown.forge.facts.get(view.key.repository) if view.key else None
    return facts is not None and view.key is not None and facts.is_whole(view.key.number)
