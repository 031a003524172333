"""Our deployments of a pull request's commits, found again by the name of their environment alone.

One for each commit; the newest says how it goes, and older ones turn inactive: at once when they were still being
made, else when the newest is made, failed or ending, because until then the older commit is what answers. GitHub does
that by itself for lasting environments only. At the end all of them go, and last the newest: as long as one is there, a
life after a crash finds what is left to do. A host without deployments, or a token that may not write them, is
remembered for a while.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from orchestrator.forge.github import readings
from orchestrator.forge.github.lacks import Lacks
from orchestrator.forge.github.transport import Transport
from orchestrator.forge.port import (
    DeploymentReport,
    DeploymentState,
    Forbidden,
    ForgeRefused,
    NotThere,
    Unsupported,
)

KEEP = 4096
LOCKS = 64
OLDER_KEPT = 10
"""Inactive ones of older commits that stay as a history on the pull request; more of them are removed."""
DESCRIPTION = 140

Place = tuple[str, str]
"""The repository's path, and the environment's name."""
_NOTHING = DeploymentReport(DeploymentState.INACTIVE, "")
LASTING = "environments that are no longer used stay on the Git host; administration: write lets Eph remove them"


@dataclass(slots=True)
class _Known:
    """The deployments to one environment by id, oldest first; what each says, where somebody has looked."""

    shas: dict[int, str] = field(default_factory=dict)
    says: dict[int, DeploymentReport] = field(default_factory=dict)

    def newest(self, sha: str) -> int:
        """Of a commit that came back after another (a force push) the old one does not count: it gets a new one."""
        last = max(self.shas, default=0)
        return last if self.shas.get(last) == sha else 0


class Deployments:
    """``present`` raises unless the repository itself answers."""

    def __init__(self, transport: Transport, now: Callable[[], float]) -> None:
        self._transport = transport
        self._known: OrderedDict[Place, _Known] = OrderedDict()
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._guard = threading.Lock()
        self._without = Lacks(now)
        self._lasting: set[str] = set()

    def report(self, place: Place, sha: str, report: DeploymentReport, present: Callable[[], None]) -> None:
        report = replace(report, description=report.description[:DESCRIPTION])
        with self._locks[hash(place) % LOCKS]:
            known = self._look(place, present)
            number = known.newest(sha)
            if not number and report.state is not DeploymentState.INACTIVE:
                number = self._make(place, known, sha, present)
            if number and self._says(place, known, number) != report:
                self._say(place, known, number, report)
            self._turn_older(place, known, number, report.state is not DeploymentState.IN_PROGRESS)

    def retire(self, place: Place, present: Callable[[], None]) -> str:
        with self._locks[hash(place) % LOCKS]:
            self._forget(place)
            try:
                known = self._look(place, present)
            except Unsupported:
                return ""
            if not known.shas:
                return ""
            *older, newest = known.shas
            for number in (*older, newest):
                self._say(place, known, number, DeploymentReport(DeploymentState.INACTIVE, "Removed."))
            for number in older:
                self._remove(place, known, number)
            left = self._remove_environment(place)
            self._remove(place, known, newest)
            self._forget(place)
            return left

    def _look(self, place: Place, present: Callable[[], None]) -> _Known:
        if place[0] in self._without:
            raise _no_deployments(place)
        with self._guard:
            known = self._known.get(place)
        return known or self._read(place, present)

    def _read(self, place: Place, present: Callable[[], None]) -> _Known:
        path, environment = place
        url = f"{path}/deployments?environment={quote(environment, safe='')}"
        try:
            found = self._transport.listing(url, readings.deployments).whole()
        except NotThere:
            present()
            self._without.add(path)
            raise _no_deployments(place) from None
        known = _Known({item.id: item.sha for item in sorted(found, key=lambda item: item.id)})
        with self._guard:
            self._known[place] = known
            while len(self._known) > KEEP:
                self._known.popitem(last=False)
        return known

    def _make(self, place: Place, known: _Known, sha: str, present: Callable[[], None]) -> int:
        """Neither merged nor held up by checks: what runs is the commit as it is, and Eph has its own waits."""
        body: dict[str, Any] = {"ref": sha, "environment": place[1], "description": "Preview by Eph"}
        body |= {"auto_merge": False, "required_contexts": []}
        body |= {"transient_environment": True, "production_environment": False}
        try:
            made = readings.deployment(self._transport.send("POST", f"{place[0]}/deployments", body))
        except NotThere:  # who may read them and not write them is told that they are not there
            present()
            raise Forbidden(f"{place[0]}: deployments may not be written; give the token deployments: write") from None
        known.shas[made.id], known.says[made.id] = sha, _NOTHING
        return made.id

    def _says(self, place: Place, known: _Known, number: int) -> DeploymentReport:
        if number not in known.says:
            url = f"{place[0]}/deployments/{number}/statuses?per_page=1"
            known.says[number] = _report(self._transport.get(url, readings.deployment_status))
        return known.says[number]

    def _say(self, place: Place, known: _Known, number: int, report: DeploymentReport) -> None:
        body: dict[str, Any] = {"state": report.state.value, "description": report.description, "auto_inactive": False}
        body |= {"environment_url": report.environment_url} if report.environment_url else {}
        try:
            self._transport.send("POST", f"{place[0]}/deployments/{number}/statuses", body)
        except NotThere:  # somebody removed it
            self._forget(place)
        else:
            known.says[number] = report

    def _turn_older(self, place: Place, known: _Known, newest: int, final: bool) -> None:
        older = [number for number in known.shas if number != newest]
        reason = f"{known.shas.get(newest, '')[:7] or 'A newer commit'} came after it."
        for number in older[-OLDER_KEPT:]:
            state = self._says(place, known, number).state
            if state is DeploymentState.IN_PROGRESS or (final and state is not DeploymentState.INACTIVE):
                self._say(place, known, number, DeploymentReport(DeploymentState.INACTIVE, reason))
        for number in older[:-OLDER_KEPT]:
            self._remove(place, known, number)

    def _remove(self, place: Place, known: _Known, number: int) -> None:
        """GitHub removes none that is active."""
        url = f"{place[0]}/deployments/{number}"
        with contextlib.suppress(NotThere):
            try:
                self._transport.send("DELETE", url)
            except Forbidden:
                raise
            except ForgeRefused:
                self._say(place, known, number, DeploymentReport(DeploymentState.INACTIVE, "Removed."))
                self._transport.send("DELETE", url)
        known.shas.pop(number, None)
        known.says.pop(number, None)

    def _remove_environment(self, place: Place) -> str:
        """GitHub keeps an environment that nothing is deployed to any more; removing it takes more than making it."""
        path, environment = place
        if path in self._lasting:
            return LASTING
        try:
            self._transport.send("DELETE", f"{path}/environments/{quote(environment, safe='')}")
        except NotThere:
            return ""
        except Forbidden:
            self._lasting.add(path)
            return LASTING
        except ForgeRefused as refusal:
            return f"the environment {environment} stays on the Git host: {refusal}"
        return ""

    def _forget(self, place: Place) -> None:
        with self._guard:
            self._known.pop(place, None)


def _no_deployments(place: Place) -> Unsupported:
    return Unsupported(f"{place[0]}: this Git host has no deployments")


def _report(status: readings.DeploymentStatus | None) -> DeploymentReport:
    """What nobody said anything of yet counts as inactive; other people's states as in progress, to be set right."""
    if status is None:
        return _NOTHING
    known = status.state in set(DeploymentState)
    state = DeploymentState(status.state) if known else DeploymentState.IN_PROGRESS
    return DeploymentReport(state, status.description, status.environment_url)
