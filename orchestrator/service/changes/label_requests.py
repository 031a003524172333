"""The label ``reset-db`` on a pull request: resets its databases once (D4).

Removing the label is the acknowledgement. It is read again right before, so that an older snapshot can't request a
second reset, and removed before anything is deleted: a stop in between loses the request, but no data is lost twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

from orchestrator.core.chat_commands import ChatReply, CommandResult
from orchestrator.core.model.world import EnvironmentRequest
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import GONE
from orchestrator.forges.port import ForgeError, Repository
from orchestrator.runtime.background_tasks import BackgroundTasks
from orchestrator.runtime.cycles import CycleResult
from orchestrator.service.changes import wording
from orchestrator.service.chat.command_listener import ChatDependencies
from orchestrator.service.port import EnvironmentNotFound, EnvironmentService, RequestRefused
from stacks.model import RefKind

RESET_LABEL = "reset-db"


class LabelRequests:
    """Replies as chat commands do."""

    def __init__(self, dependencies: ChatDependencies, service: EnvironmentService) -> None:
        self._deps, self._service = dependencies, service
        self._tasks = BackgroundTasks(dependencies.clock, dependencies.journal.record_problem)

    def on_cycle(self, cycle: CycleResult) -> None:
        if cycle.is_paused or not self._deps.is_leader():
            return
        for view, repository in _labelled(cycle):
            self._tasks.start_once(view.ref, partial(self._reset, view, repository))

    async def close(self) -> None:
        await self._tasks.close()

    async def _reset(self, view: EnvironmentView, repository: Repository) -> bool:
        """Returns whether the request is done with."""
        key = view.key
        if key is None:
            return True
        try:
            pull = await asyncio.to_thread(self._deps.forge.pull, repository, key.number)
            if RESET_LABEL not in pull.labels:
                return True
            await asyncio.to_thread(self._deps.forge.remove_label, repository, key.number, RESET_LABEL)
        except ForgeError as error:
            self._deps.journal.record_problem(wording.reset_label_stays(view.name, RESET_LABEL, error))
            return False
        result = await self._reset_databases(view)
        reply = ChatReply(RESET_LABEL, wording.LABEL_AUTHOR, result)
        self._deps.replies.add(key, self._deps.clock(), reply)
        self._deps.on_reply()
        return True

    async def _reset_databases(self, view: EnvironmentView) -> CommandResult:
        name = str(view.ref)
        try:
            # Without databases, the first one's refusal says why.
            names = self._service.resettable_databases(name) or [""]
            chosen = [await self._service.reset_database(name, each, wording.LABEL_AUTHOR) for each in names]
        except (EnvironmentNotFound, RequestRefused) as error:
            return CommandResult(False, str(error))
        return CommandResult(True, wording.resetting(view.name, ", ".join(chosen)))


def _labelled(cycle: CycleResult) -> Iterator[tuple[EnvironmentView, Repository]]:
    """Environments that exist and whose pull request has the label."""
    for view in cycle.views:
        if view.key is None or view.key.kind is not RefKind.PULL or view.phase in GONE or not view.commit:
            continue
        facts = cycle.forge.facts.get(view.key.repository)
        request: EnvironmentRequest | None = facts.requests.get(view.key) if facts else None
        repository = cycle.forge.repositories.get(view.key.repository)
        if request is not None and repository is not None and RESET_LABEL in request.labels:
            yield view, repository
