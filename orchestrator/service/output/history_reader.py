"""What was: the events of environments, and the versions that people deployed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.versions import Version, list_versions
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event, Ledger
from orchestrator.ledger.sql_ledger import LedgerUnavailable
from orchestrator.runtime.cycles import Cycles
from orchestrator.service import first_cycle
from orchestrator.service.port import EnvironmentNotFound, TemporarilyUnavailable

DEPLOY_EVENTS = 2000
"""How far back the event log is searched for who deployed a version."""


class HistoryReader:
    """``environment`` finds one by its name, or raises EnvironmentNotFound."""

    def __init__(self, ledger: Ledger, cycles: Cycles, environment: Callable[[str], EnvironmentView]) -> None:
        self._ledger, self._cycles, self._environment = ledger, cycles, environment

    async def events(self, name: str, after: int, limit: int, newest: bool) -> list[Event]:
        subject = self._event_subject(name) if name else ""
        try:
            return await asyncio.to_thread(self._ledger.events, subject, after, limit, newest)
        except LedgerUnavailable as error:
            raise TemporarilyUnavailable(str(error)) from error

    async def versions(self, repository: str) -> list[Version]:
        found = list_versions(first_cycle.require(self._cycles.latest).views, repository)
        people = await self._people_who_deployed()
        return [
            replace(each, by=people.get((each.environment, each.commit), "")) if not each.by else each for each in found
        ]

    def _event_subject(self, name: str) -> str:
        """Events of a destroyed environment can still be read by its stack's name."""
        try:
            return str(self._environment(name).ref)
        except EnvironmentNotFound:
            if "/" in name and "#" not in name:
                return name
            raise

    async def _people_who_deployed(self) -> dict[tuple[str, str], str]:
        """By stack and commit, according to the event log."""
        try:
            events = await asyncio.to_thread(self._ledger.events, "", 0, DEPLOY_EVENTS, True)
        except LedgerUnavailable:
            return {}
        return {
            (event.subject, event.data.get("commit", "")): event.actor
            for event in events
            if event.kind == EventKind.DEPLOY_REQUESTED
        }
