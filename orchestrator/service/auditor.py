"""Looks at everything for an audit, and removes the rest that is ours (``core.audits`` says what that is).

Beside the loop, with a reading of its own, so that an audit changes nothing and waits for nothing. Whole environments
without a stack are the loop's to purge, under its guards; single things go here, while no operation can begin on their
environment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.model import environment_facts
from orchestrator.core.model.world import World
from orchestrator.core.orphans import orphan_audit, orphan_purges
from orchestrator.core.orphans.orphan_audit import AuditContext, AuditReading, AuditResult, OrphanedResource
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.operations.remote_operations import RemoteOperations
from programs import registry
from programs.registry import ListsResources, Target
from stacks.backends.port import Inventory
from stacks.model import Key, StackSnapshot, StrayFile
from stacks.stray_files import HoldsStrayFiles


@dataclass(slots=True)
class AuditDependencies:
    """What an audit reads. ``inventory`` creates a new one, as each is for one thread at a time. ``stores`` are the
    backend and the executor."""

    cycles: Cycles
    executor: PlanExecutor
    inventory: Callable[[], Inventory]
    stores: Sequence[HoldsStrayFiles]
    settings: Mapping[str, Mapping[str, str]]
    target: Callable[[str], Target]
    leadership: Leadership
    remote_operations: RemoteOperations


@dataclass(slots=True)
class _Reading:
    resources: AuditReading
    unread: list[str]


class Auditor:
    """One audit or sweep at a time."""

    def __init__(self, dependencies: AuditDependencies) -> None:
        self._dependencies = dependencies
        self._lock = asyncio.Lock()

    async def audit(self) -> AuditResult:
        async with self._lock:
            return await self._audit()

    async def sweep(self) -> list[str]:
        """Removes what is ours and safe; a sentence for each thing that went, or did not."""
        async with self._lock:
            return [await self._remove(orphan) for orphan in orphan_audit.sweepable(await self._audit())]

    async def _audit(self) -> AuditResult:
        if not self._dependencies.leadership.is_leader():
            return AuditResult(
                unread=("this replica isn't the leader, and only the leader knows which operations are running",)
            )
        elsewhere = await self._dependencies.remote_operations.in_progress()
        running = {**elsewhere, **self._dependencies.executor.running}
        first = await asyncio.to_thread(self._read)
        stacks = await asyncio.to_thread(self._dependencies.inventory().snapshot)
        second = await asyncio.to_thread(self._read)
        shown = self._dependencies.cycles.latest
        world = World(shown.forge.facts, stacks, {**running, **self._dependencies.executor.running})
        known, wanted = self._context(world), _requested_keys(world)
        seen = orphan_audit.intersect(first.resources, second.resources)
        incomplete = [(facts.full_name, facts.reason) for facts in world.repositories.values() if not facts.complete]
        unread = [*first.unread, *second.unread, *orphan_audit.unread_sources(stacks, incomplete)]
        if shown.at is None:
            unread.append("the first read of the Git host is still running")
        found = (*orphan_audit.orphaned_stacks(shown.plan, known, wanted), *orphan_audit.find_orphans(seen, known))
        return AuditResult(found, tuple(dict.fromkeys(unread)), _counts(second.resources, stacks))

    def _read(self) -> _Reading:
        """One place that cannot be looked at hides no other."""
        held, unread = {}, []
        for name, settings in self._dependencies.settings.items():
            try:
                held[name] = registry.list_resources(self._dependencies.target(name), settings)
            except Exception as error:  # noqa: BLE001 - whatever a target's trouble is, it is told
                unread.append(f"the target {name} could not be checked: {type(error).__name__}: {error}")
        try:
            beside = sorted((file for _, file in self._stray_files()), key=lambda file: file.path)
        except OSError as error:
            beside = []
            unread.append(f"the server's own folders could not be checked: {error}")
        return _Reading(AuditReading(held, beside), unread)

    def _context(self, world: World) -> AuditContext:
        everybody = environment_facts.collect(world)
        accounted = orphan_purges.known_names((subject, subject.request is not None) for subject in everybody)
        busy = [subject for subject in everybody if subject.running is not None]
        return AuditContext(
            stacks=world.stacks,
            known_names=accounted,
            refs=frozenset(subject.ref for subject in everybody),
            busy=frozenset(subject.ref for subject in busy),
            busy_names=frozenset(subject.name for subject in busy) | self._dependencies.executor.purging,
        )

    # --- removing

    async def _remove(self, orphan: OrphanedResource) -> str:
        said = f"{orphan.location}: {orphan.kind} {orphan.name}"
        if orphan.whole_environment:
            return f"the next cycle removes {said}: {orphan.reason}"
        try:
            done = await self._remove_one(orphan)
        except Exception as error:  # noqa: BLE001 - one that does not go keeps no other
            return f"{said} could not be removed: {error}"
        return (
            f"removed {said}: {orphan.reason}" if done else f"removal left to the next cycle: {said}: {orphan.reason}"
        )

    async def _remove_one(self, orphan: OrphanedResource) -> bool:
        around = self._dependencies
        if orphan.location in around.settings:
            return await self._discard(orphan, around.target(orphan.location), around.settings[orphan.location])
        for store, stray in await asyncio.to_thread(self._stray_files):
            if (stray.kind, stray.path) == (orphan.kind, orphan.name):
                if stray.ref in around.executor.running:
                    return False
                await asyncio.to_thread(store.delete_stray_file, stray)
        return True

    def _stray_files(self) -> list[tuple[HoldsStrayFiles, StrayFile]]:
        return [(store, file) for store in self._dependencies.stores for file in store.stray_files()]

    async def _discard(self, orphan: OrphanedResource, target: Target, settings: Mapping[str, str]) -> bool:
        """Nothing is made under that name meanwhile; a name that nothing stands for is purged by the loop."""
        if not isinstance(target, ListsResources):
            return False
        with self._dependencies.executor.reserve(orphan.location, orphan.environment) as alone:
            if not alone:
                return False
            for thing in await asyncio.to_thread(target.list_resources, settings):
                if (thing.kind, thing.name, thing.environment) == (orphan.kind, orphan.name, orphan.environment):
                    return await asyncio.to_thread(target.delete_resource, thing, settings)
        return True


def _requested_keys(world: World) -> frozenset[Key]:
    return frozenset(key for facts in world.repositories.values() for key in facts.requests)


def _counts(reading: AuditReading, stacks: StackSnapshot) -> dict[str, int]:
    counts = {target: len(things) for target, things in reading.resources.items()}
    return {"stacks": len(stacks.stacks), **counts, "beside the stacks": len(reading.file_orphans)}
