"""Actions of a plan that query or change the Git host: confirm an absence, find images, update a commit's mark.

Each blocks, so each runs as a background task. One that fails returns False and is planned again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from orchestrator.core.model.image_lookup import ImageResult
from orchestrator.core.planning import plan_actions
from orchestrator.core.planning.plan_actions import Find
from orchestrator.forges.port import (
    EXPIRED,
    LABEL_NOT_OURS,
    LABEL_REMOVED,
    Forge,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    Repository,
    expired_mark,
)
from orchestrator.runtime import wording
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.facts.commits import FirstSeenCommits
from orchestrator.runtime.facts.confirmations import Confirmations
from orchestrator.runtime.facts.image_lookups import ImageLookups
from orchestrator.runtime.operations.journal import Journal
from orchestrator.sources.port import Source, by_kind

MAX_CONCURRENT_FINDS = 8

CommitMarkAction = plan_actions.Expire | plan_actions.Unlabel | plan_actions.Revive


@dataclass(frozen=True, slots=True)
class ForgeTaskDependencies:
    """``find_images`` blocks. ``refresh`` makes the loop read the Git host again, ``wake`` starts a cycle."""

    forge: Forge
    sources: Sequence[Source]
    find_images: Callable[[Find, Repository], Sequence[ImageResult]]
    journal: Journal
    clock: Clock
    wake: Callable[[], None]
    refresh: Callable[[], None]
    is_leader: Callable[[], bool]
    confirmed: Confirmations
    image_lookups: ImageLookups
    first_seen: FirstSeenCommits


class ForgeTasks:
    def __init__(self, dependencies: ForgeTaskDependencies) -> None:
        self._dependencies = dependencies
        self._sources = by_kind(dependencies.sources)
        self._find_slots = asyncio.Semaphore(MAX_CONCURRENT_FINDS)

    async def confirm(self, action: plan_actions.Confirm, repositories: Mapping[int, Repository]) -> bool:
        """A query that fails confirms nothing: the stack stays, and the query is repeated."""
        repository = repositories.get(action.key.repository)
        source = self._sources.get(action.key.kind)
        if repository is None or source is None:
            return False
        try:
            confirmation = await asyncio.to_thread(source.confirm, repository, action.key, action.ref_name)
        except ForgeError as error:
            where = self._dependencies.forge.words.reference(repository.full_name, action.key, action.ref_name)
            self._dependencies.journal.record_problem(wording.problems.not_read(where, error))
            return False
        self._dependencies.confirmed.record(confirmation, self._dependencies.clock())
        self._dependencies.wake()
        return True

    async def find_images(self, action: Find, repositories: Mapping[int, Repository]) -> bool:
        repository = repositories.get(action.key.repository)
        if repository is None:
            return False
        async with self._find_slots:
            results = await asyncio.to_thread(self._dependencies.find_images, action, repository)
        self._dependencies.image_lookups.record(action, results, self._dependencies.clock())
        self._dependencies.wake()
        return True

    async def update_commit_mark(self, action: CommitMarkAction, repositories: Mapping[int, Repository]) -> bool:
        """A mark counts only after it has been read back, so the Git host is read again."""
        repository = repositories.get(action.key.repository)
        if repository is None or not self._dependencies.is_leader():
            return False
        try:
            await asyncio.to_thread(self._write_commit_mark, action, repository)
        except ForgeError as error:
            self._dependencies.journal.record_problem(wording.problems.not_marked_expired(action.ref, error))
            return False
        if isinstance(action, plan_actions.Expire):
            self._dependencies.journal.expired(action)
        elif isinstance(action, plan_actions.Revive):
            self._dependencies.first_seen.reset(action.key)  # The TTL starts again.
        self._dependencies.refresh()
        return True

    def _write_commit_mark(self, action: CommitMarkAction, repository: Repository) -> None:
        """Blocking."""
        forge, mark = self._dependencies.forge, expired_mark(action.ref.stack)
        match action:
            case plan_actions.Expire():
                forge.mark(repository, action.commit, mark, action.reason)
            case plan_actions.Unlabel():
                how = LABEL_REMOVED if self._remove_labels(action, repository) else LABEL_NOT_OURS
                forge.mark(repository, action.commit, mark, how + action.reason)
            case plan_actions.Revive():
                for name in (mark, EXPIRED):
                    forge.mark(repository, action.commit, name, "")
            case _:
                assert_never(action)

    def _remove_labels(self, action: plan_actions.Unlabel, repository: Repository) -> bool:
        """False if a label is left that Eph isn't allowed to remove."""
        allowed = True
        for label in action.labels:
            try:
                self._dependencies.forge.remove_label(repository, action.key.number, label)
            except ForgeNotFound:
                continue  # someone else removed it first
            except ForgeRefused as error:
                self._dependencies.journal.record_problem(wording.problems.label_not_removed(action.ref, label, error))
                allowed = False
        return allowed
