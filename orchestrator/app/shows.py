"""Who is shown every cycle's outcome: the gateway's pages by a file, pull requests by the reporter."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView
from orchestrator.forge.port import Repository
from orchestrator.ledger import kinds
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Shown
from orchestrator.surfaces.reporter import Reporter
from stacks.model import Operation, StackRef

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


def _state(view: EnvironmentView) -> dict[str, str]:
    failure = f"{view.failure.step}: {view.failure.error}".strip(": ") if view.failure else ""
    return {
        "environment": view.name,
        "phase": view.phase.value,
        "message": failure or (view.reasons[-1] if view.reasons else ""),
        "pull_url": view.pull_url,
        "title": view.title,
        "commit": view.wanted_commit or view.commit,
        "progress": view.progress,
    }


class Herald:
    """Keeps pull requests told. One report at a time, in a thread; whatever is newest when it ends goes next."""

    why: Callable[[StackRef], str] = staticmethod(lambda _: "")

    def __init__(self, reporter: Reporter, journal: Journal) -> None:
        self._reporter = reporter
        self._journal = journal
        self._newest: Shown = Shown()
        self._fresh = asyncio.Event()
        self._turn = asyncio.Lock()
        self._last: dict[StackRef, EnvironmentView] = {}

    def show(self, shown: Shown) -> None:
        self._newest = shown
        self._last = {view.ref: view for view in shown.views}
        self._fresh.set()

    async def run(self) -> None:
        """Until cancelled. What pacing held back is offered again though nothing new came."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the wake.
                async with asyncio.timeout(PACE):
                    await self._fresh.wait()
            self._fresh.clear()
            async with self._turn:
                shown = self._newest
                await self._report(shown.views, shown.forge.repositories)

    async def destroyed(self, operation: Operation) -> bool:
        """Tells a pull request that its environment is gone, before the record of it goes; False: not told."""
        view = self._last.get(operation.ref)
        if view is None or view.key is None or view.key.repository not in self._newest.forge.repositories:
            return True  # Nobody is there to be told: the repository itself is out of reach, or not ours any more.
        why = self.why(operation.ref)
        gone = replace(view, phase=Phase.DESTROYED, reasons=(why,), progress="", url="", urls={}, failure=None)
        async with self._turn:
            return await asyncio.to_thread(self._reporter.tell, gone, self._newest.forge.repositories)

    async def _report(self, views: Sequence[EnvironmentView], repositories: Mapping[int, Repository]) -> None:
        for sentence in await asyncio.to_thread(self._reporter.report, views, repositories):
            self._journal.tell(kinds.REPORT_FAILED, sentence)
