"""Requests an environment for a pull request, by the trigger label of its eph.yaml: the chat command ``/eph up``, and
coding agents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.forges.port import Forge, ForgeError, ForgeUnavailable, Repository
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service import repositories
from orchestrator.service.changes import wording
from orchestrator.service.deploys.deploy_port import RequestedPullRequest
from orchestrator.service.port import RefusalReason, RequestRefused, TemporarilyUnavailable
from stacks import keys, names

TriggerLabels = Callable[[Repository, PullRequest], frozenset[str]]
"""The labels that request an environment, from that pull request's eph.yaml. Blocking."""


@dataclass(frozen=True, slots=True)
class PullRequestDependencies:
    """``up`` retries an environment, given its stack's name. ``refresh`` triggers a cycle."""

    forge: Forge
    cycles: Cycles
    journal: Journal
    trigger_labels: TriggerLabels
    up: Callable[[str, str], Awaitable[EnvironmentView]]
    refresh: Callable[[], None]


class PullRequestLabels:
    def __init__(self, dependencies: PullRequestDependencies) -> None:
        self._deps = dependencies
        self._reading = asyncio.Lock()
        """The reader of eph.yaml is for one caller at a time."""

    async def request(self, repository: Repository, number: int, by: str) -> RequestedPullRequest:
        """Adds the trigger label if it is missing, then retries an existing environment. Raises RequestRefused or
        ForgeError."""
        found = await self._add_label(repository, number)
        key = keys.pull_request(repository.id, number)
        if any(view.key == key for view in self._deps.cycles.latest.views):
            await self._deps.up(str(names.stack_ref(key, repository.full_name)), by)
        else:
            self._deps.refresh()
        return found

    async def create(self, name: str, number: int, by: str) -> RequestedPullRequest:
        """The same, for a repository by its name. Raises RequestRefused or TemporarilyUnavailable."""
        repository = repositories.find(self._deps.cycles, name)
        reference = self._deps.forge.words.reference(repository.full_name, keys.pull_request(repository.id, number))
        try:
            found = await self.request(repository, number, by)
        except ForgeUnavailable as error:
            raise TemporarilyUnavailable(wording.pull_request_unreadable(reference, error)) from error
        except ForgeError as error:
            raise RequestRefused(RefusalReason.FORGE_ERROR, str(error)) from error
        stack = str(names.stack_ref(keys.pull_request(repository.id, number), repository.full_name))
        self._deps.journal.record(EventKind.INTENT_UP, wording.requested_by_label(found.label, found.added), stack, by)
        return found

    async def _add_label(self, repository: Repository, number: int) -> RequestedPullRequest:
        pull = await asyncio.to_thread(self._deps.forge.pull, repository, number)
        if pull.state is not PullState.OPEN:
            reference = self._deps.forge.words.reference(repository.full_name, pull.key)
            is_gone = pull.state is PullState.GONE
            raise RequestRefused(
                RefusalReason.UNKNOWN_PULL_REQUEST,
                wording.unknown_pull_request(reference) if is_gone else wording.not_open(reference, pull.state.value),
            )
        async with self._reading:
            wanted = await asyncio.to_thread(self._deps.trigger_labels, repository, pull)
        if not wanted:
            raise RequestRefused(RefusalReason.NO_TRIGGER_LABEL, wording.NO_TRIGGER_LABEL)
        present = wanted & pull.labels
        label = min(present or wanted)
        if not present:
            await asyncio.to_thread(self._deps.forge.add_label, repository, number, label)
        return RequestedPullRequest(repository.full_name, number, label, added=not present)
