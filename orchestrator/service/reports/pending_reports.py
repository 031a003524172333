"""Which pull requests have a report that must be updated later; survives a kill.

Most environments end with a destroy, which updates their comment first. One that never got a stack ends without, and
the process that reported on it may be dead by then. So each pull request is stored before its report is written, with
the reported phase. That way, a check that is still in progress on an abandoned commit is found. Losing this file loses
a final report, never an environment.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from programs.kit import files
from stacks import keys
from stacks.model import Key, StackRef


class PendingReports:
    """Without a ``path``, nothing survives a restart."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._written = ""

    def load(self) -> dict[StackRef, EnvironmentView]:
        """Load the reports of an earlier process or leader. An unreadable file counts as empty."""
        self._written = ""
        try:
            rows = json.loads(self._path.read_text()) if self._path else []
            views = [from_row(row) for row in rows]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return {view.ref: view for view in views}

    def save(self, views: Iterable[EnvironmentView]) -> None:
        text = json.dumps([to_row(view, view.key) for view in views if view.key is not None])
        if self._path is None or text == self._written:
            return
        with contextlib.suppress(OSError):  # for example a full disk; the next cycle retries
            files.write(self._path, text)
            self._written = text


def to_row(view: EnvironmentView, key: Key) -> dict[str, object]:
    return {
        "project": view.ref.project,
        "stack": view.ref.stack,
        "repository": key.repository,
        "number": keys.to_number(key),
        "called": view.repository,
        "name": view.name,
        "host": view.host,
        "commit": view.wanted_commit or view.commit,
        "phase": view.phase.value,
        "ref_name": view.ref_name,
    }


def from_row(row: dict[str, object]) -> EnvironmentView:
    return EnvironmentView(
        ref=StackRef(str(row["project"]), str(row["stack"])),
        key=keys.from_number(int(str(row["repository"])), int(str(row["number"]))),
        repository=str(row["called"]),
        name=str(row["name"]),
        host=str(row["host"]),
        phase=Phase(str(row.get("phase", Phase.DESTROYED.value))),
        reasons=(),
        wanted_commit=str(row["commit"]),
        ref_name=str(row.get("ref_name", "")),
    )
