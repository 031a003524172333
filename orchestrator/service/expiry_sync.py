"""Keeps the expiry date on the targets' resources up to date (C2).

An extension only changes the stack's tag and runs no update. So the date is written here, after a cycle in which it
differs from the one written last. A failed write is retried.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from programs import registry
from programs.registry import Target, TracksExpiry
from stacks.model import StackRef

log = logging.getLogger("eph.dates")

_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_SETTLED_PHASES = frozenset({Phase.STARTING, Phase.READY, Phase.UNHEALTHY, Phase.ASLEEP})
"""Not during an update, when new resources have no date yet."""


class ObservedCycle(Protocol):
    @property
    def views(self) -> tuple[EnvironmentView, ...]: ...

    @property
    def is_paused(self) -> bool: ...


class ExpirySync:
    """Called after each cycle. Writes in a thread, one batch at a time."""

    def __init__(
        self,
        target_settings: Mapping[str, Mapping[str, str]],
        is_leader: Callable[[], bool] = lambda: True,
        get_target: Callable[[str], Target] = registry.get,
    ) -> None:
        self._target_settings, self._is_leader = target_settings, is_leader
        installed = {name: get_target(name) for name in target_settings}
        self._targets = {name: target for name, target in installed.items() if isinstance(target, TracksExpiry)}
        self._written: dict[StackRef, datetime | None] = {}
        self.task: asyncio.Task[None] | None = None

    def start_term(self) -> None:
        """Forget what was written: another replica may have been the leader since."""
        self._written.clear()

    def on_cycle(self, cycle: ObservedCycle) -> None:
        if not self._is_leader() or cycle.is_paused or (self.task is not None and not self.task.done()):
            return
        settled = {
            view.ref: view for view in cycle.views if view.phase in _SETTLED_PHASES and view.target in self._targets
        }
        self._written = {ref: at for ref, at in self._written.items() if ref in settled}
        due = [view for ref, view in settled.items() if self._written.get(ref, _UNKNOWN) != view.expires_at]
        if due:
            self.task = asyncio.create_task(asyncio.to_thread(self._write, due))

    def _write(self, due: list[EnvironmentView]) -> None:
        for view in due:
            try:
                settings = self._target_settings[view.target]
                self._targets[view.target].set_expiry(view.name, settings, view.expires_at)
            except Exception as error:  # noqa: BLE001 - any failure of a target is retried
                log.warning("the expiry date of %s couldn't be written: %s", view.name, error)
            else:
                self._written[view.ref] = view.expires_at
