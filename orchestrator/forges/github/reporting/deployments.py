"""Our deployments of a pull request's commits, found by the name of their environment alone.

There is one deployment per commit. The newest has the current status, and older ones become inactive: at once if they
were still in progress, otherwise when the newest succeeds, fails or ends, because until then the older commit is live.
GitHub does that by itself only for permanent environments. At the end all are deleted, the newest last: while one
exists, a restart after a crash finds what is left to do. A host without deployments, or a token without permission to
write them, is remembered for a while.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.http.transport import Transport
from orchestrator.forges.github.http.unsupported_cache import UnsupportedCache
from orchestrator.forges.port import (
    DeploymentReport,
    DeploymentState,
    ForgeForbidden,
    ForgeNotFound,
    ForgeRefused,
    ForgeUnsupported,
)
from programs.kit.caches import BoundedCache

MAX_CACHED = 4096
LOCKS = 64
MAX_OLDER = 10
"""The number of inactive deployments of older commits to keep as history on the pull request."""
MAX_DESCRIPTION = 140

DeploymentKey = tuple[str, str]
"""The repository's path, and the environment's name."""
_NO_STATUS = DeploymentReport(DeploymentState.INACTIVE, "")
ENVIRONMENT_KEPT = wording.ENVIRONMENTS_STAY


@dataclass(slots=True)
class _EnvironmentDeployments:
    """The deployments to one environment by ID, oldest first, and the known status of each."""

    shas: dict[int, str] = field(default_factory=dict)
    statuses: dict[int, DeploymentReport] = field(default_factory=dict)

    def current(self, sha: str) -> int:
        """If a commit comes back after another one (a force push), its old deployment doesn't count: it gets a new
        one."""
        last = max(self.shas, default=0)
        return last if self.shas.get(last) == sha else 0


class Deployments:
    """``check_exists`` raises unless the repository itself responds."""

    def __init__(self, transport: Transport, now: Callable[[], float]) -> None:
        self._transport = transport
        self._known: BoundedCache[DeploymentKey, _EnvironmentDeployments] = BoundedCache(MAX_CACHED)
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._unsupported = UnsupportedCache(now)
        self._cannot_delete_environments: set[str] = set()

    def report(self, key: DeploymentKey, sha: str, report: DeploymentReport, check_exists: Callable[[], None]) -> None:
        report = replace(report, description=report.description[:MAX_DESCRIPTION])
        with self._locks[hash(key) % LOCKS]:
            known = self._load(key, check_exists)
            number = known.current(sha)
            if not number and report.state is not DeploymentState.INACTIVE:
                number = self._create(key, known, sha, check_exists)
            if number and self._status(key, known, number) != report:
                self._set_status(key, known, number, report)
            self._deactivate_older(key, known, number, report.state is not DeploymentState.IN_PROGRESS)

    def retire(self, key: DeploymentKey, check_exists: Callable[[], None]) -> str:
        with self._locks[hash(key) % LOCKS]:
            self._forget(key)
            try:
                known = self._load(key, check_exists)
            except ForgeUnsupported:
                return ""
            if not known.shas:
                return ""
            *older, newest = known.shas
            for number in (*older, newest):
                self._set_status(key, known, number, DeploymentReport(DeploymentState.INACTIVE, "Removed."))
            for number in older:
                self._remove(key, known, number)
            left = self._remove_environment(key)
            self._remove(key, known, newest)
            self._forget(key)
            return left

    def _load(self, key: DeploymentKey, check_exists: Callable[[], None]) -> _EnvironmentDeployments:
        if key[0] in self._unsupported:
            raise _no_deployments(key)
        return self._known.get(key) or self._read(key, check_exists)

    def _read(self, key: DeploymentKey, check_exists: Callable[[], None]) -> _EnvironmentDeployments:
        path, environment = key
        url = f"{path}/deployments?environment={quote(environment, safe='')}"
        try:
            found = self._transport.listing(url, parsers.deployments).all_items()
        except ForgeNotFound:
            check_exists()
            self._unsupported.add(path)
            raise _no_deployments(key) from None
        known = _EnvironmentDeployments({item.id: item.sha for item in sorted(found, key=lambda item: item.id)})
        return self._known.put(key, known)

    def _create(
        self, key: DeploymentKey, known: _EnvironmentDeployments, sha: str, check_exists: Callable[[], None]
    ) -> int:
        """Neither merged nor held up by checks: the commit runs as it is, and Eph has its own rules for waiting."""
        body: dict[str, Any] = {"ref": sha, "environment": key[1], "description": wording.ENVIRONMENT_DESCRIPTION}
        body |= {"auto_merge": False, "required_contexts": []}
        body |= {"transient_environment": True, "production_environment": False}
        try:
            created = parsers.deployment(self._transport.send("POST", f"{key[0]}/deployments", body))
        except ForgeNotFound:  # a token that can read but not write them gets a 404
            check_exists()
            raise ForgeForbidden(wording.deployments_denied(key[0])) from None
        known.shas[created.id], known.statuses[created.id] = sha, _NO_STATUS
        return created.id

    def _status(self, key: DeploymentKey, known: _EnvironmentDeployments, number: int) -> DeploymentReport:
        if number not in known.statuses:
            url = f"{key[0]}/deployments/{number}/statuses?per_page=1"
            known.statuses[number] = _report(self._transport.get(url, parsers.deployment_status))
        return known.statuses[number]

    def _set_status(
        self, key: DeploymentKey, known: _EnvironmentDeployments, number: int, report: DeploymentReport
    ) -> None:
        body: dict[str, Any] = {"state": report.state.value, "description": report.description, "auto_inactive": False}
        body |= {"environment_url": report.environment_url} if report.environment_url else {}
        try:
            self._transport.send("POST", f"{key[0]}/deployments/{number}/statuses", body)
        except ForgeNotFound:  # someone deleted it
            self._forget(key)
        else:
            known.statuses[number] = report

    def _deactivate_older(self, key: DeploymentKey, known: _EnvironmentDeployments, newest: int, final: bool) -> None:
        older = [number for number in known.shas if number != newest]
        reason = wording.superseded(known.shas.get(newest, "")[:7] or wording.NEWER_COMMIT)
        for number in older[-MAX_OLDER:]:
            state = self._status(key, known, number).state
            if state is DeploymentState.IN_PROGRESS or (final and state is not DeploymentState.INACTIVE):
                self._set_status(key, known, number, DeploymentReport(DeploymentState.INACTIVE, reason))
        for number in older[:-MAX_OLDER]:
            self._remove(key, known, number)

    def _remove(self, key: DeploymentKey, known: _EnvironmentDeployments, number: int) -> None:
        """GitHub doesn't delete active deployments."""
        url = f"{key[0]}/deployments/{number}"
        with contextlib.suppress(ForgeNotFound):
            try:
                self._transport.send("DELETE", url)
            except ForgeForbidden:
                raise
            except ForgeRefused:
                self._set_status(key, known, number, DeploymentReport(DeploymentState.INACTIVE, "Removed."))
                self._transport.send("DELETE", url)
        known.shas.pop(number, None)
        known.statuses.pop(number, None)

    def _remove_environment(self, key: DeploymentKey) -> str:
        """GitHub keeps environments without deployments; deleting one requires more permissions than creating it."""
        path, environment = key
        if path in self._cannot_delete_environments:
            return ENVIRONMENT_KEPT
        try:
            self._transport.send("DELETE", f"{path}/environments/{quote(environment, safe='')}")
        except ForgeNotFound:
            return ""
        except ForgeForbidden:
            self._cannot_delete_environments.add(path)
            return ENVIRONMENT_KEPT
        except ForgeRefused as refusal:
            return wording.environment_stays(environment, refusal)
        return ""

    def _forget(self, key: DeploymentKey) -> None:
        self._known.pop(key)


def _no_deployments(key: DeploymentKey) -> ForgeUnsupported:
    return ForgeUnsupported(wording.no_deployments(key[0]))


def _report(status: parsers.DeploymentStatus | None) -> DeploymentReport:
    """A deployment without status counts as inactive, an unknown status as in progress, so that it is corrected."""
    if status is None:
        return _NO_STATUS
    known = status.state in set(DeploymentState)
    state = DeploymentState(status.state) if known else DeploymentState.IN_PROGRESS
    return DeploymentReport(state, status.description, status.environment_url)
