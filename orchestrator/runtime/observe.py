"""One look at the world: Git host, stacks, targets and what this process knows, put together as one value."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from orchestrator.core.headroom import Headroom
from orchestrator.core.model import Health, PullRequest, Running, Traffic, World
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.forge_facts import ForgeFacts, ForgeReader
from orchestrator.runtime.memory import Memory
from orchestrator.runtime.wakeups import Look
from stacks import names
from stacks.model import StackRef, StackSnapshot
from stacks.port import Inventory

log = logging.getLogger("eph.observe")

PATIENCE = 5.0
"""Seconds that a look waits for targets to name what is there."""
TargetNames = Callable[[], frozenset[str]]
TargetParts = Callable[[], Mapping[str, frozenset[str]]]


class Lanes(Protocol):
    """What the executor knows of operations under way."""

    @property
    def running(self) -> Mapping[StackRef, Running]: ...


@dataclass(slots=True)
class Sources:
    """Where facts come from. ``targets`` gives, by target, a blocking function that names what is there; ``standing``
    one that gives the single parts, for targets that can tell."""

    forge: ForgeReader
    inventory: Inventory
    targets: Mapping[str, TargetNames]
    health: Mapping[StackRef, Health]
    lanes: Lanes
    headroom: Callable[[], Headroom | None] = lambda: None
    standing: Mapping[str, TargetParts] = field(default_factory=dict)
    traffic: Callable[[], Traffic | None] = lambda: None


class Observer:
    def __init__(self, sources: Sources, memory: Memory) -> None:
        self._sources = sources
        self._memory = memory
        self._silent: dict[str, str] = {}
        self._asked: dict[str, asyncio.Task[frozenset[str]]] = {}
        self._late: dict[str, asyncio.Task[Mapping[str, frozenset[str]]]] = {}
        self.forge = ForgeFacts()

    async def look(self, clock: Clock, look: Look, elsewhere: Mapping[StackRef, Running] | None = None) -> World:
        """``elsewhere``: what other replicas have under way. The clock is read when the look is over: what came in
        meanwhile (a confirmation) is not of the future.

        Nothing ``wanted``: the last reading of the Git host still counts; everything here is read anew.

        What runs is noted before the stacks are read: an operation that ends in between then counts as running for
        one more cycle, and never as a stack that is half-made.
        """
        running = {**(elsewhere or {}), **self._sources.lanes.running}
        stacks = await asyncio.to_thread(self._sources.inventory.snapshot)
        if look.wanted:
            self.forge = await self._sources.forge.read(_names(stacks), look.only)
        on_targets = await self._targets()
        standing = await self._standing()
        self._memory.see(self.forge.facts, stacks, clock())
        return replace(self._world(stacks, running), on_targets=on_targets, standing=standing)

    def _world(self, stacks: StackSnapshot, running: Mapping[StackRef, Running]) -> World:
        memory = self._memory
        return World(
            repositories={
                number: replace(facts, confirmed=self._confirmed(number)) for number, facts in self.forge.facts.items()
            },
            stacks=stacks,
            running={**running, **self._sources.lanes.running},
            health=dict(self._sources.health),
            failures=dict(memory.failures),
            first_seen=dict(memory.first_seen),
            destroyed_recently=tuple(memory.destroyed),
            mended=dict(memory.mended),
            trials=memory.trials(),
            intents=tuple(memory.intents.values()),
            approved_plans=frozenset(memory.approved_plans),
            approved=frozenset(memory.approved),
            failed_tries=dict(memory.failed_tries),
            behind_since=dict(memory.behind_since),
            looked=dict(memory.looked),
            headroom=self._sources.headroom(),
            traffic=self._sources.traffic(),
        )

    def _confirmed(self, repository: int) -> dict[int, PullRequest]:
        return {key.number: pull for key, (pull, _) in self._memory.confirmed.items() if key.repository == repository}

    async def _targets(self) -> dict[str, frozenset[str]]:
        """A target that could not be read is left out: nothing of it is known, so nothing of it is purged. One that
        hangs holds nobody up, and is not asked again before it answered."""
        for target, names_of in self._sources.targets.items():
            if target not in self._asked:
                self._asked[target] = asyncio.create_task(asyncio.to_thread(names_of))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=PATIENCE)
        found = {}
        for target in list(self._asked):
            try:
                found[target] = self._answer(target)
            except Exception as error:  # noqa: BLE001 - whatever a target's trouble is, the others are looked at
                self._say(target, f"the target {target} could not be read: {type(error).__name__}: {error}")
            else:
                self._silent.pop(target, None)
        return found

    async def _standing(self) -> dict[str, Mapping[str, frozenset[str]]]:
        """As for names, but only an answer to this very look counts: what was made since would seem to be lost."""
        for target in [target for target, task in self._late.items() if task.done()]:
            self._late.pop(target).exception()
        asked = {
            target: asyncio.create_task(asyncio.to_thread(parts_of))
            for target, parts_of in self._sources.standing.items()
            if target not in self._late
        }
        if asked:
            await asyncio.wait(asked.values(), timeout=PATIENCE)
        found = {}
        for target, task in asked.items():
            if not task.done():
                self._late[target] = task
            elif error := task.exception():
                self._say(f"{target}: parts", f"the parts on the target {target} could not be looked at: {error}")
            else:
                found[target] = task.result()
        return found

    def _answer(self, target: str) -> frozenset[str]:
        if not self._asked[target].done():
            raise TimeoutError(f"it does not answer within {PATIENCE:.0f} s")
        return self._asked.pop(target).result()

    def _say(self, target: str, sentence: str) -> None:
        """Once, not at every cycle."""
        if self._silent.get(target) != sentence:
            self._silent[target] = sentence
            log.warning("%s", sentence)


def _names(stacks: StackSnapshot) -> dict[tuple[int, int], str]:
    """Environments that exist keep their names, whatever the repository or its file is called now."""
    found = {}
    for ref, record in stacks.stacks.items():
        parsed = names.parse(ref)
        if parsed is not None and record.name:
            found[parsed] = record.name
    return found
