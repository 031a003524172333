"""Receives commits from people's working copies, and removes those that no deploy uses any more.

An upload belongs to the person who sent it: only they can deploy it. It is kept as long as a label deploy requests or
runs it, and a while before that, so that the deploy can be requested.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.forges.port import Repository
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import CycleResult, Cycles
from orchestrator.runtime.facts.pending_deploys import PendingDeploys
from orchestrator.service.deploys import wording
from orchestrator.service.deploys.deploy_port import UploadedCommit
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.kit import files
from programs.kit.git.bundles import InvalidBundle
from programs.kit.git.uploads import Upload, UploadStore
from stacks.model import RefKind

log = logging.getLogger("eph.uploads")

KEPT_UNUSED = timedelta(minutes=15)
MAX_UNUSED = 5
"""Per repository and person."""
MAX_CONCURRENT = 2
Used = frozenset[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class UploadTimeouts:
    """In seconds. ``idle``: between two parts of an upload; ``total``: for all of it. A client that stalls would block
    the others."""

    idle: float = 30.0
    total: float = 600.0


DEFAULT_TIMEOUTS = UploadTimeouts()


class WorkingCopies:
    """``store`` None: this server accepts no uploads."""

    def __init__(
        self,
        store: UploadStore | None,
        cycles: Cycles,
        pending: PendingDeploys,
        clock: Clock,
        is_leader: Callable[[], bool],
        timeouts: UploadTimeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._uploads, self._cycles, self._pending = store, cycles, pending
        self._clock, self._is_leader, self._timeouts = clock, is_leader, timeouts
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self.task: asyncio.Task[None] | None = None

    async def receive(self, repository: Repository, body: AsyncIterator[bytes], by: str) -> UploadedCommit:
        """Raises RequestRefused, and then nothing of the upload is left."""
        store = self._store()
        self._check_unused(store, repository.id, by)
        async with self._slots:
            bundle = store.incoming()
            try:
                await self._receive_bundle(body, bundle, store.max_bytes)
                snapshot = await asyncio.to_thread(store.accept, repository.id, bundle, by, self._clock())
            except InvalidBundle as error:
                raise RequestRefused(RefusalReason.INVALID_UPLOAD, wording.invalid_upload(str(error))) from error
            finally:
                await asyncio.to_thread(files.remove, bundle)
        return UploadedCommit(snapshot.commit, repository.full_name, snapshot.files, snapshot.size)

    async def claim(self, repository: Repository, commit: str, by: str) -> str:
        """Returns the commit if that person uploaded it. It is kept until their deploy can be accepted."""
        store = self._uploads
        if store is None or not await asyncio.to_thread(store.renew, repository.id, commit, by, self._clock()):
            raise RequestRefused(RefusalReason.UNKNOWN_VERSION, wording.unknown_upload(commit))
        return commit

    def is_upload(self, repository: int, commit: str) -> bool:
        return self._uploads is not None and bool(self._uploads.clone_url(repository, commit))

    def may_use(self, repository: int, commit: str, by: str) -> bool:
        """Whether that person may deploy the commit: it wasn't uploaded, or by them, and isn't removed."""
        store = self._uploads
        if store is None or not store.was_uploaded(repository, commit):
            return True
        return store.is_owner(repository, commit, by)

    def on_cycle(self, cycle: CycleResult) -> None:
        """An incomplete cycle may not know every deploy."""
        store, busy = self._uploads, self.task is not None and not self.task.done()
        if store is None or busy or not cycle.complete or not self._is_leader():
            return
        used, before = self._used(cycle.views), self._clock() - KEPT_UNUSED
        self.task = asyncio.create_task(asyncio.to_thread(_remove_unused, store, used, before))

    async def _receive_bundle(self, body: AsyncIterator[bytes], bundle: Path, limit: int) -> None:
        try:
            async with asyncio.timeout(self._timeouts.total):
                await _write(body, bundle, limit, self._timeouts.idle)
        except TimeoutError as error:
            raise RequestRefused(RefusalReason.UPLOAD_TIMEOUT, wording.UPLOAD_TIMEOUT) from error

    def _store(self) -> UploadStore:
        if self._uploads is None:
            raise RequestRefused(RefusalReason.INVALID_UPLOAD, wording.NO_UPLOADS)
        return self._uploads

    def _check_unused(self, store: UploadStore, repository: int, by: str) -> None:
        used = self._used(self._cycles.latest.views)
        unused = [each for each in store.list_uploads() if _is_unused(each, repository, used)]
        if sum(store.is_owner(repository, each.commit, by) for each in unused) >= MAX_UNUSED:
            raise RequestRefused(RefusalReason.TOO_MANY_UPLOADS, wording.too_many_uploads(MAX_UNUSED, KEPT_UNUSED))

    def _used(self, views: tuple[EnvironmentView, ...]) -> Used:
        used = {
            (view.key.repository, commit)
            for view in views
            if view.key is not None and view.key.kind is RefKind.DEPLOY
            for commit in (view.commit, view.wanted_commit)
        }
        orders = self._pending.requests().orders
        return frozenset(used | {(key.repository, order.deploy.commit) for key, order in orders.items()})


def _is_unused(upload: Upload, repository: int, used: Used) -> bool:
    return upload.repository == repository and (upload.repository, upload.commit) not in used


def _remove_unused(store: UploadStore, used: Used, before: datetime) -> None:
    try:
        for each in store.remove_unused(used, before):
            log.info("removed the upload %s, which no deploy uses", each.commit)
    except OSError as error:
        log.warning("unused uploads couldn't be removed: %s", error)


async def _write(body: AsyncIterator[bytes], bundle: Path, limit: int, idle: float) -> None:
    size = 0
    with bundle.open("xb") as file:
        while chunk := await _next_part(body, idle):
            size += len(chunk)
            if size > limit:
                raise RequestRefused(RefusalReason.INVALID_UPLOAD, wording.upload_too_large(limit))
            await asyncio.to_thread(file.write, chunk)


async def _next_part(body: AsyncIterator[bytes], idle: float) -> bytes:
    """Empty at the end."""
    async with asyncio.timeout(idle):
        async for part in body:
            if part:
                return part
    return b""
