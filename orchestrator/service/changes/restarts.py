"""Restarts services of an environment on a person's request.

It is no operation: nothing that Eph records changes, and a restart that is cut short leaves a stopped process, which
the next cycle repairs. No operation on the environment runs meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import GONE, Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service import wording as service_wording
from orchestrator.service.changes import wording
from orchestrator.service.port import RefusalReason, RequestRefused, TemporarilyUnavailable
from programs.registry import Restarts, Target
from programs.restarts import RestartUnavailable

Reserve = Callable[[str, str], AbstractContextManager[bool]]
"""Prevents operations on the environment of this name on this target. Yields False if one is running."""


@dataclass(frozen=True, slots=True)
class ServiceRestarter:
    journal: Journal
    reserve: Reserve
    target: Callable[[str], Target]
    target_settings: Mapping[str, Mapping[str, str]]

    async def restart(self, view: EnvironmentView, service: str, by: str) -> list[str]:
        """The services that were restarted; all of them if ``service`` is empty."""
        target = self._find(view)
        settings = self.target_settings.get(view.target, {})
        with self.reserve(view.target, view.name) as free:
            if not free:
                raise _refusal(wording.busy(view.name))
            try:
                services = await asyncio.to_thread(target.restart, view.name, settings, service)
            except RestartUnavailable as error:
                raise _refusal(str(error)) from error
            except Exception as error:
                raise TemporarilyUnavailable(service_wording.target_unreachable(view.target, error)) from error
        self.journal.record(EventKind.ENVIRONMENT_RESTARTED, wording.restarted(services), str(view.ref), by)
        return services

    def _find(self, view: EnvironmentView) -> Restarts:
        if not view.commit or view.phase in GONE:
            raise _refusal(wording.nothing_to_restart(view.name))
        if view.phase is Phase.ASLEEP:
            raise _refusal(wording.asleep(view.name))
        target = self.target(view.target)
        if not isinstance(target, Restarts):
            raise _refusal(wording.restart_unsupported(view.target))
        return target


def _refusal(message: str) -> RequestRefused:
    return RequestRefused(RefusalReason.RESTART_UNAVAILABLE, message)
