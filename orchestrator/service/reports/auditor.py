"""Reads everything for an audit, and removes orphans (``core.orphans`` decides what is one).

It reads independently of the loop, so an audit changes nothing and never waits. Environments without a stack are purged
by the loop, under its guards. Single orphans are removed here, while no operation can start on their environment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from orchestrator.core.model import environment_facts
from orchestrator.core.model.world import World
from orchestrator.core.orphans import orphan_audit, orphan_purges
from orchestrator.core.orphans.orphan_audit import AuditContext, AuditReading, AuditResult, OrphanedResource
from orchestrator.runtime.costs.price_catalog import PriceCatalog
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.operations.executor import PlanExecutor
from orchestrator.runtime.operations.remote_operations import RemoteOperations
from orchestrator.service import wording
from programs import registry
from programs.costs import PriceList
from programs.registry import ListsResources, PricesResources, Target
from stacks.backends.port import Inventory
from stacks.model import Key, StackSnapshot, StrayFile
from stacks.stray_files import HoldsStrayFiles

log = logging.getLogger("eph.audit")


@dataclass(slots=True)
class AuditDependencies:
    """What an audit reads.

    ``inventory`` creates a new one for each thread. ``stores`` are the backend and the executor.
    """

    cycles: Cycles
    executor: PlanExecutor
    inventory: Callable[[], Inventory]
    stores: Sequence[HoldsStrayFiles]
    settings: Mapping[str, Mapping[str, str]]
    target: Callable[[str], Target]
    leadership: Leadership
    remote_operations: RemoteOperations
    prices: PriceCatalog


@dataclass(slots=True)
class _Reading:
    resources: AuditReading
    unread: list[str]


class Auditor:
    """Runs one audit or sweep at a time."""

    def __init__(self, dependencies: AuditDependencies) -> None:
        self._dependencies = dependencies
        self._lock = asyncio.Lock()

    async def audit(self) -> AuditResult:
        async with self._lock:
            return await self._audit()

    async def sweep(self) -> list[str]:
        """Remove every orphan that is safe to remove. Returns a sentence for each."""
        async with self._lock:
            return [await self._remove(orphan) for orphan in orphan_audit.sweepable(await self._audit())]

    async def _audit(self) -> AuditResult:
        if not self._dependencies.leadership.is_leader():
            return AuditResult(unread=(wording.ONLY_LEADER_AUDITS,))
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
            unread.append(wording.FIRST_READ)
        found = (*orphan_audit.orphaned_stacks(shown.plan, known, wanted), *orphan_audit.find_orphans(seen, known))
        priced = await asyncio.to_thread(self._add_prices, found, second.resources)
        return AuditResult(priced, tuple(dict.fromkeys(unread)), _counts(second.resources, stacks))

    def _read(self) -> _Reading:
        """Read every target. One that fails doesn't hide the others."""
        resources, unread = {}, []
        for name, settings in self._dependencies.settings.items():
            try:
                resources[name] = registry.list_resources(self._dependencies.target(name), settings)
            except Exception as error:  # noqa: BLE001 - any failure of a target is reported
                unread.append(wording.target_not_checked(name, error))
        try:
            stray_files = sorted((file for _, file in self._stray_files()), key=lambda file: file.path)
        except OSError as error:
            stray_files = []
            unread.append(wording.folders_not_checked(error))
        return _Reading(AuditReading(resources, stray_files), unread)

    def _add_prices(self, orphans: Iterable[OrphanedResource], reading: AuditReading) -> tuple[OrphanedResource, ...]:
        """Where the target knows them. One that can't say what its resources cost doesn't hide the orphans."""
        prices: dict[tuple[str, str, str, str], Decimal] = {}
        listed, priced = list(orphans), set()
        for name in {orphan.location for orphan in listed} & reading.resources.keys():
            target, settings = self._dependencies.target(name), self._dependencies.settings[name]
            price_list = self._dependencies.prices.prices_of(name)
            if not isinstance(target, PricesResources) or _has_no_amount(price_list):
                continue
            priced.add(name)
            wanted = {(each.kind, each.name, each.environment) for each in listed if each.location == name}
            held = [item for item in reading.resources[name] if (item.kind, item.name, item.environment) in wanted]
            try:
                found = target.resource_prices(held, settings, price_list)
            except Exception:
                log.exception("the prices of orphans on %s", name)
                continue
            prices |= {(name, item.kind, item.name, item.environment): amount for item, amount in found.items()}
        return tuple(
            replace(
                each,
                priced=each.location in priced,
                hourly=prices.get((each.location, each.kind, each.name, each.environment)),
            )
            for each in listed
        )

    def _context(self, world: World) -> AuditContext:
        facts = environment_facts.collect(world)
        accounted = orphan_purges.known_names((subject, subject.request is not None) for subject in facts)
        busy = [subject for subject in facts if subject.running is not None]
        return AuditContext(
            stacks=world.stacks,
            known_names=accounted,
            refs=frozenset(subject.ref for subject in facts),
            busy=frozenset(subject.ref for subject in busy),
            busy_names=frozenset(subject.name for subject in busy) | self._dependencies.executor.purging,
        )

    # --- removing

    async def _remove(self, orphan: OrphanedResource) -> str:
        described = wording.orphan(orphan.location, orphan.kind, orphan.name)
        if orphan.whole_environment:
            return wording.removed_next_cycle(described, orphan.reason)
        try:
            removed = await self._remove_one(orphan)
        except Exception as error:  # noqa: BLE001 - one that fails doesn't stop the others
            return wording.removal_failed(described, error)
        sentence = wording.removed if removed else wording.removal_postponed
        return sentence(described, orphan.reason)

    async def _remove_one(self, orphan: OrphanedResource) -> bool:
        dependencies = self._dependencies
        if orphan.location in dependencies.settings:
            target, settings = dependencies.target(orphan.location), dependencies.settings[orphan.location]
            return await self._discard(orphan, target, settings)
        for store, stray in await asyncio.to_thread(self._stray_files):
            if (stray.kind, stray.path) == (orphan.kind, orphan.name):
                if stray.ref in dependencies.executor.running:
                    return False
                await asyncio.to_thread(store.delete_stray_file, stray)
        return True

    def _stray_files(self) -> list[tuple[HoldsStrayFiles, StrayFile]]:
        return [(store, file) for store in self._dependencies.stores for file in store.stray_files()]

    async def _discard(self, orphan: OrphanedResource, target: Target, settings: Mapping[str, str]) -> bool:
        """Delete one resource while nothing can be created under its environment's name."""
        if not isinstance(target, ListsResources):
            return False
        with self._dependencies.executor.reserve(orphan.location, orphan.environment) as reserved:
            if not reserved:
                return False
            for resource in await asyncio.to_thread(target.list_resources, settings):
                if (resource.kind, resource.name, resource.environment) == (
                    orphan.kind,
                    orphan.name,
                    orphan.environment,
                ):
                    return await asyncio.to_thread(target.delete_resource, resource, settings)
        return True


def _requested_keys(world: World) -> frozenset[Key]:
    return frozenset(key for facts in world.repositories.values() for key in facts.requests)


def _has_no_amount(price_list: PriceList) -> bool:
    """Whether the operator has set none of the prices that the target knows by name."""
    return bool(price_list.items) and all(item.amount is None for item in price_list.items)


def _counts(reading: AuditReading, stacks: StackSnapshot) -> dict[str, int]:
    counts = {target: len(things) for target, things in reading.resources.items()}
    return {"stacks": len(stacks.stacks), **counts, "other files": len(reading.file_orphans)}
