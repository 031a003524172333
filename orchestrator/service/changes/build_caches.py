"""The build caches of all targets: lists them, and clears those that a person no longer trusts or needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service import wording
from orchestrator.service.port import BuildCache, RefusalReason, RequestRefused, TemporarilyUnavailable
from programs.registry import KeepsBuildCaches, Target


@dataclass(frozen=True, slots=True)
class BuildCaches:
    cycles: Cycles
    target: Callable[[str], Target]
    target_settings: Mapping[str, Mapping[str, str]]
    journal: Journal

    async def all(self) -> list[BuildCache]:
        """By repository and target. Raises TemporarilyUnavailable."""
        return await asyncio.to_thread(lambda: sorted(self._list(), key=_position))

    async def clear(self, repository: str, by: str) -> list[BuildCache]:
        """Removes the caches of a repository, given its name or ID, or all if it is empty. Returns them."""
        found = await self.all()
        chosen = [cache for cache in found if repository in ("", cache.repository, cache.repository_id)]
        if repository and not chosen:
            known = [cache.repository or cache.repository_id for cache in found]
            raise RequestRefused(RefusalReason.UNKNOWN_REPOSITORY, wording.no_build_cache(repository, known))
        cleared = await asyncio.to_thread(lambda: [cache for cache in chosen if self._remove(cache)])
        for cache in cleared:
            text = wording.cache_cleared(cache.repository or cache.repository_id, cache.target, cache.size)
            self.journal.record(EventKind.CACHE_CLEARED, text, actor=by)
        return cleared

    def _keepers(self) -> Iterator[tuple[str, KeepsBuildCaches, Mapping[str, str]]]:
        for name, settings in self.target_settings.items():
            target = self.target(name)
            if isinstance(target, KeepsBuildCaches):
                yield name, target, settings

    def _list(self) -> Iterator[BuildCache]:
        names = {str(number): each.full_name for number, each in self.cycles.latest.forge.repositories.items()}
        for target, keeper, settings in self._keepers():
            try:
                found = keeper.list_build_caches(settings)
            except OSError as error:
                raise TemporarilyUnavailable(wording.target_unreachable(target, error)) from error
            for archive in found:
                used = datetime.fromtimestamp(archive.used, UTC)
                name = names.get(archive.repository, "")
                yield BuildCache(target, archive.repository, name, archive.size, used)

    def _remove(self, cache: BuildCache) -> bool:
        """False if it is gone already."""
        return any(
            keeper.remove_build_cache(cache.repository_id, settings)
            for target, keeper, settings in self._keepers()
            if target == cache.target
        )


def _position(cache: BuildCache) -> tuple[str, str, str]:
    return cache.repository, cache.repository_id, cache.target
