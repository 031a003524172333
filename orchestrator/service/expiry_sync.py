"""Until when environments live, kept true on what their targets hold (C2).

An extension changes a stack's tag alone: nothing is built for it. So the date is written by the way, after a cycle in
which it is another than the last one that was written; what could not be written is tried again.
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
"""Not while it is changed: what is made anew then has no date yet."""


class HasViews(Protocol):
    @property
    def views(self) -> tuple[EnvironmentView, ...]: ...


class ExpirySync:
    """An audience of the loop; one turn of writing at a time, in a thread."""

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
        """Another replica may have led meanwhile."""
        self._written.clear()

    def on_cycle(self, cycle: HasViews) -> None:
        if not self._is_leader() or (self.task is not None and not self.task.done()):
            return
        there = {
            view.ref: view for view in cycle.views if view.phase in _SETTLED_PHASES and view.target in self._targets
        }
        self._written = {ref: at for ref, at in self._written.items() if ref in there}
        due = [view for ref, view in there.items() if self._written.get(ref, _UNKNOWN) != view.expires_at]
        if due:
            self.task = asyncio.create_task(asyncio.to_thread(self._write, due))

    def _write(self, due: list[EnvironmentView]) -> None:
        for view in due:
            try:
                settings = self._target_settings[view.target]
                self._targets[view.target].set_expiry(view.name, settings, view.expires_at)
            except Exception as error:  # noqa: BLE001 - whatever a target's trouble is, it is tried again
                log.warning("the expiry date of %s could not be written: %s", view.name, error)
            else:
                self._written[view.ref] = view.expires_at
