"""What a person's request changes at the Git host: trigger labels and marks on commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.model.world import EnvironmentRequest, Trust
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.forges.port import Forge, ForgeError, ForgeNotFound, Repository, approved_mark, expired_mark
from orchestrator.runtime.cycles import Cycles
from orchestrator.service import wording
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.registry import Target
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class GitHostChanges:
    forge: Forge
    cycles: Cycles
    target: Callable[[str], Target]

    async def remove_request(self, view: EnvironmentView) -> None:
        """Removes the trigger labels of a pull request. A branch or a tag has none, so its commit is marked as
        expired."""
        request, repository = self.find(view)
        if request is None or repository is None:
            return
        if request.key.kind is not RefKind.PULL:
            await self._mark_expired(view, repository, request)
        for label in sorted(request.trigger_labels):
            try:
                await asyncio.to_thread(self.forge.remove_label, repository, request.key.number, label)
            except ForgeNotFound:
                continue  # already removed
            except ForgeError as error:
                raise RequestRefused(RefusalReason.FORGE_ERROR, wording.label_not_removed(label, error)) from error

    async def approve(self, view: EnvironmentView, commit: str, by: str) -> bool:
        """Marks the newest commit as approved. Returns whether it comes from a fork."""
        request, repository = self.find(view)
        from_fork = request is not None and request.trust is Trust.FORK
        plans_wait = self.target(view.target).description.needs_approvals
        if request is None or repository is None or not (from_fork or plans_wait):
            raise RequestRefused(RefusalReason.NOT_A_FORK, wording.not_a_fork(display_name(view)))
        head = request.commit
        if commit != head:
            raise RequestRefused(RefusalReason.NOT_NEWEST_COMMIT, wording.not_newest_commit(view.name, head, commit))
        try:
            mark, text = approved_mark(view.ref.stack), wording.approved_by(by)
            await asyncio.to_thread(self.forge.mark, repository, head, mark, text)
        except ForgeError as error:
            raise RequestRefused(RefusalReason.FORGE_ERROR, wording.approval_not_written(head, error)) from error
        return from_fork

    async def _mark_expired(self, view: EnvironmentView, repository: Repository, request: EnvironmentRequest) -> None:
        try:
            mark, text = expired_mark(view.ref.stack), wording.DESTROYED_BY_PERSON
            await asyncio.to_thread(self.forge.mark, repository, request.commit, mark, text)
        except ForgeError as error:
            raise RequestRefused(
                RefusalReason.FORGE_ERROR, wording.ref_not_marked(display_name(view), error)
            ) from error

    def find(self, view: EnvironmentView) -> tuple[EnvironmentRequest | None, Repository | None]:
        """The request of an environment and its repository, as last read."""
        if view.key is None:
            return None, None
        forge = self.cycles.latest.forge
        facts = forge.facts.get(view.key.repository)
        return facts.requests.get(view.key) if facts else None, forge.repositories.get(view.key.repository)
