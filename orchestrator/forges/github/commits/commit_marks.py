"""What we write about a commit: our check run and our marks.

On github.com only GitHub Apps can create check runs; with a plain token we fall back to a commit status and remember
that. Conversely, a host without statuses gets check runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.forges.github import parsers
from orchestrator.forges.github.http.transport import Transport
from orchestrator.forges.port import CheckReport, Conclusion, ForgeForbidden, ForgeNotFound, is_mark
from programs.kit.caches import BoundedCache

MAX_CACHED = 4096
MAX_SUMMARY = 65_000
MAX_DESCRIPTION = 140
STATES = {
    Conclusion.IN_PROGRESS: "pending",
    Conclusion.SUCCESS: "success",
    Conclusion.FAILURE: "failure",
    Conclusion.NEUTRAL: "success",
}


class CommitMarks:
    """``path`` is the repository's. ``check_exists`` raises unless the repository itself responds."""

    def __init__(self, transport: Transport, login: Callable[[], str]) -> None:
        self._transport, self._login = transport, login
        self._runs: BoundedCache[tuple[str, str, str], tuple[int, dict[str, Any]]] = BoundedCache(MAX_CACHED)
        self._without_check_runs: set[str] = set()
        self._without_statuses: set[str] = set()

    def statuses(self, path: str, sha: str, check_exists: Callable[[], None]) -> list[parsers.CommitStatus]:
        """All statuses ever set, newest first; empty if the host has no statuses."""
        try:
            return list(self._transport.listing(f"{path}/commits/{sha}/statuses", parsers.statuses).all_items())
        except ForgeNotFound:
            check_exists()
            self._without_statuses.add(path)
            return []

    def runs(self, path: str, sha: str, check_exists: Callable[[], None]) -> list[parsers.CheckRun]:
        try:
            return list(self._transport.listing(f"{path}/commits/{sha}/check-runs", parsers.check_runs).all_items())
        except ForgeNotFound:
            check_exists()
            return []

    def decisions(self, path: str, sha: str, check_exists: Callable[[], None]) -> Mapping[str, str]:
        """Our own marks, then the newest of each name: anyone who can push can set a status of any name, but must not
        hide ours. A workflow job becomes a check run of any name, so check runs must be from our app."""
        me = self._login()
        mine = [item for item in self.statuses(path, sha, check_exists) if item.creator == me]
        descriptions = {item.context: item.description for item in parsers.newest(mine) if is_mark(item.context)}
        if path in self._without_statuses:
            runs = self.runs(path, sha, check_exists)
            names_apps = any(run.app for run in runs)
            ours = [run for run in runs if is_mark(run.name) and run.is_by(me, names_apps)]
            descriptions |= {run.name: run.title for run in sorted(ours, key=lambda run: run.id)}
        return {name: text for name, text in descriptions.items() if text}

    def mark(self, path: str, sha: str, mark_and_text: tuple[str, str], check_exists: Callable[[], None]) -> None:
        mark, description = mark_and_text
        if self.decisions(path, sha, check_exists).get(mark, "") == description[:MAX_DESCRIPTION]:
            return
        body = {"state": "success", "context": mark, "description": description[:MAX_DESCRIPTION]}
        try:
            self._transport.send("POST", f"{path}/statuses/{sha}", body)
        except ForgeNotFound:
            check_exists()
            output = {"title": description, "summary": description or "Withdrawn."}
            run = {"name": mark, "head_sha": sha, "status": "completed", "conclusion": "neutral", "output": output}
            self._transport.send("POST", f"{path}/check-runs", run)

    def report(self, path: str, sha: str, name: str, report: CheckReport, check_exists: Callable[[], None]) -> None:
        if path in self._without_check_runs:
            self._report_status(path, sha, name, report)
            return
        try:
            self._report_run(path, sha, name, _run_body(report))
        except ForgeNotFound:
            check_exists()
        except ForgeForbidden:
            pass  # a plain token: only apps can create check runs
        else:
            return
        self._without_check_runs.add(path)
        self._report_status(path, sha, name, report)

    def _report_run(self, path: str, sha: str, name: str, body: dict[str, Any]) -> None:
        key = (path, sha, name)
        number, sent_body = self._runs.get(key) or self._find_run(path, sha, name)
        if sent_body == body:
            return
        if number:
            self._transport.send("PATCH", f"{path}/check-runs/{number}", body)
        else:
            created = self._transport.send("POST", f"{path}/check-runs", {**body, "name": name, "head_sha": sha})
            number = parsers.check_run(created).id
        self._runs.put(key, (number, body))

    def _find_run(self, path: str, sha: str, name: str) -> tuple[int, dict[str, Any]]:
        """Our check run from before a restart, and its content. A workflow job may have the same name."""
        found = self._transport.listing(f"{path}/commits/{sha}/check-runs", parsers.check_runs).all_items()
        me, names_apps = self._login(), any(run.app for run in found)
        mine = sorted((run for run in found if run.name == name and run.is_by(me, names_apps)), key=lambda run: run.id)
        return (mine[-1].id, _body_of_run(mine[-1])) if mine else (0, {})

    def _report_status(self, path: str, sha: str, name: str, report: CheckReport) -> None:
        body = {"state": STATES[report.conclusion], "context": name, "description": report.title[:MAX_DESCRIPTION]}
        key = (path, sha, name)
        body |= {"target_url": report.details_url} if report.details_url else {}
        known = self._runs.get(key)
        if known is not None and known[1] == body:
            return
        self._transport.send("POST", f"{path}/statuses/{sha}", body)
        self._runs.put(key, (0, body))


def _run_body(report: CheckReport) -> dict[str, Any]:
    body: dict[str, Any] = {"status": "in_progress"}
    if report.conclusion is not Conclusion.IN_PROGRESS:
        body = {"status": "completed", "conclusion": report.conclusion.value}
    body["output"] = {"title": report.title, "summary": (report.summary or report.title)[:MAX_SUMMARY]}
    return {**body, **({"details_url": report.details_url} if report.details_url else {})}


def _body_of_run(run: parsers.CheckRun) -> dict[str, Any]:
    """The request body that would produce this check run."""
    body: dict[str, Any] = {"status": run.status, "output": {"title": run.title, "summary": run.summary}}
    body |= {"conclusion": run.conclusion} if run.conclusion else {}
    return {**body, **({"details_url": run.details_url} if run.details_url else {})}
