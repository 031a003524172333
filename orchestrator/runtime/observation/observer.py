"""Observes the world: reads Git host, stacks, targets and what this process knows into one value."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from orchestrator.core.costs.spending import NO_SPENDING, Spending
from orchestrator.core.model.pause import Pause
from orchestrator.core.model.variables import VariableOverrides
from orchestrator.core.model.world import HealthStatus, RepositoryFacts, RunningOperation, TrafficSnapshot, World
from orchestrator.core.planning.memory_limits import Headroom
from orchestrator.runtime import wording
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.facts.loop_facts import LoopFacts
from orchestrator.runtime.observation.forge_reader import ForgeReader, ForgeSnapshot
from orchestrator.runtime.wakeups import Refresh
from programs.costs import CostEstimate
from stacks import names
from stacks.backends.port import Inventory
from stacks.model import Key, StackRecord, StackRef, StackSnapshot

log = logging.getLogger("eph.observe")

TARGET_TIMEOUT = 5.0
"""Seconds to wait for a target's inventory."""
TargetNames = Callable[[], frozenset[str]]
TargetParts = Callable[[], Mapping[str, frozenset[str]]]


class OperationsInProgress(Protocol):
    """The executor's running operations."""

    @property
    def running(self) -> Mapping[StackRef, RunningOperation]: ...


@dataclass(slots=True)
class ObserverSources:
    """The sources of facts. ``targets`` returns a blocking function per target that lists its environments;
    ``live_parts`` one that lists single resources, for targets that support it."""

    forge: ForgeReader
    inventory: Inventory
    targets: Mapping[str, TargetNames]
    health: Mapping[StackRef, HealthStatus]
    operations: OperationsInProgress
    headroom: Callable[[], Headroom | None] = lambda: None
    live_parts: Mapping[str, TargetParts] = field(default_factory=dict)
    traffic: Callable[[], TrafficSnapshot | None] = lambda: None
    estimates: Callable[[Iterable[RepositoryFacts], Iterable[StackRef]], Mapping[Key, CostEstimate]] = lambda *_: {}
    spending: Callable[[], Spending] = lambda: NO_SPENDING
    variables: Callable[[Mapping[StackRef, str]], Mapping[StackRef, VariableOverrides]] = lambda _: {}
    """Decrypts what people set."""
    pause: Callable[[], Pause | None] = lambda: None


@dataclass(frozen=True, slots=True)
class _TargetListing:
    environments: dict[str, frozenset[str]]
    parts: dict[str, Mapping[str, frozenset[str]]]


class Observer:
    def __init__(self, sources: ObserverSources, facts: LoopFacts) -> None:
        self._sources = sources
        self._facts = facts
        self._reported: dict[str, str] = {}
        self._pending_names: dict[str, asyncio.Task[frozenset[str]]] = {}
        self._pending_parts: dict[str, asyncio.Task[Mapping[str, frozenset[str]]]] = {}
        self._listing: _TargetListing | None = None
        self.forge = ForgeSnapshot()

    async def observe(
        self, clock: Clock, refresh: Refresh, remote: Mapping[StackRef, RunningOperation] | None = None
    ) -> World:
        """Observe everything. ``remote`` are the operations of other replicas.

        The clock is read at the end, so that nothing that arrived meanwhile lies in the future. Without a refresh, the
        last read of the Git host still counts. Without ``targets``, their last listing still counts, because the end of
        an operation asks for a new one. Operations of other replicas don't, so they prevent that.

        Running operations are noted before the stacks are read: an operation that ends in between counts as running for
        one more cycle, and never as a half-created stack.
        """
        running = {**(remote or {}), **self._sources.operations.running}
        stacks = await asyncio.to_thread(self._sources.inventory.snapshot)
        if refresh.needed:
            self.forge = await self._sources.forge.read(_existing_stacks(stacks), refresh.scope)
        if remote or refresh.targets or self._listing is None:
            on_targets, standing = await asyncio.gather(self._target_environments(), self._live_parts())
            self._listing = None if remote else _TargetListing(on_targets, standing)
        else:
            on_targets, standing = self._listing.environments, self._listing.parts
        self._facts.update(self.forge.facts, stacks, clock())
        return replace(self._world(stacks, running), target_environments=on_targets, live_parts=standing)

    def _world(self, stacks: StackSnapshot, running: Mapping[StackRef, RunningOperation]) -> World:
        facts = self._facts
        return World(
            repositories={
                number: replace(home, confirmed=facts.confirmed.of_repository(number))
                for number, home in self.forge.facts.items()
            },
            stacks=stacks,
            running={**running, **self._sources.operations.running},
            health=dict(self._sources.health),
            failures=dict(facts.attempts.failures),
            first_seen=dict(facts.first_seen.seen),
            recent_destroys=tuple(facts.guarded_destroys.started),
            completed_repairs=dict(facts.repairs.latest),
            suite_runs=facts.suites.runs(),
            intents=facts.intents.all(),
            approved_plans=frozenset(facts.approvals.plans),
            approved_destroys=frozenset(facts.approvals.destroys),
            failed_attempts=dict(facts.attempts.failed),
            waiting_since=dict(facts.outdated.since),
            image_lookups=dict(facts.image_lookups.latest),
            headroom=self._sources.headroom(),
            traffic=self._sources.traffic(),
            estimates=self._sources.estimates(self.forge.facts.values(), stacks.stacks),
            spending=self._sources.spending(),
            pause=self._sources.pause(),
            variables=self._sources.variables({ref: item.variables for ref, item in stacks.stacks.items()}),
        )

    async def _target_environments(self) -> dict[str, frozenset[str]]:
        """A target that couldn't be read is missing, so nothing of it is purged. A target that hangs blocks nothing,
        and isn't read again before it responds."""
        for target, names_of in self._sources.targets.items():
            if target not in self._pending_names:
                self._pending_names[target] = asyncio.create_task(asyncio.to_thread(names_of))
        if self._pending_names:
            await asyncio.wait(self._pending_names.values(), timeout=TARGET_TIMEOUT)
        found = {}
        for target in list(self._pending_names):
            try:
                found[target] = self._result(target)
            except Exception as error:  # noqa: BLE001 - whatever a target's trouble is, the others are looked at
                self._warn_once(target, wording.problems.target_not_read(target, error))
            else:
                self._reported.pop(target, None)
        return found

    async def _live_parts(self) -> dict[str, Mapping[str, frozenset[str]]]:
        """The same for resources, but only a result of this very observation counts: otherwise newer resources would
        seem lost."""
        for target in [target for target, task in self._pending_parts.items() if task.done()]:
            self._pending_parts.pop(target).exception()
        asked = {
            target: asyncio.create_task(asyncio.to_thread(parts_of))
            for target, parts_of in self._sources.live_parts.items()
            if target not in self._pending_parts
        }
        if asked:
            await asyncio.wait(asked.values(), timeout=TARGET_TIMEOUT)
        found = {}
        for target, task in asked.items():
            if not task.done():
                self._pending_parts[target] = task
            elif error := task.exception():
                self._warn_once(f"{target}: resources", wording.problems.resources_not_checked(target, error))
            else:
                found[target] = task.result()
        return found

    def _result(self, target: str) -> frozenset[str]:
        if not self._pending_names[target].done():
            raise TimeoutError(wording.problems.no_response(TARGET_TIMEOUT))
        return self._pending_names.pop(target).result()

    def _warn_once(self, target: str, sentence: str) -> None:
        """Record a warning once, not in every cycle."""
        if self._reported.get(target) != sentence:
            self._reported[target] = sentence
            log.warning("%s", sentence)


def _existing_stacks(stacks: StackSnapshot) -> dict[Key, StackRecord]:
    """Existing environments keep their names, even if the repository or its file was renamed. One without a name is
    half-created, or can't be read: it exists all the same."""
    parsed = ((names.parse(ref), record) for ref, record in stacks.stacks.items())
    return {key: record for key, record in parsed if key is not None}
