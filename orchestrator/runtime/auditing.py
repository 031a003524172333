"""Looks at everything for an audit, and removes the rest that is ours (``core.audits`` says what that is).

Beside the loop, with a reading of its own, so that an audit changes nothing and waits for nothing. Whole environments
without a stack are the loop's to purge, under its guards; single things go here, while no operation can begin on their
environment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.core import audits, leftovers, subjects
from orchestrator.core.audits import Audit, Known, Orphan, Seen
from orchestrator.core.model import Key, World
from orchestrator.runtime.executor import Executor
from orchestrator.runtime.leading import Leading
from orchestrator.runtime.loop import Shown
from programs import registry
from programs.registry import Holds, Target
from stacks import strays
from stacks.model import StackSnapshot
from stacks.places import Places
from stacks.port import Inventory


@dataclass(slots=True)
class Around:
    """What an audit looks at. ``inventory`` makes a fresh one: a reading of it is for one thread at a time."""

    shown: Callable[[], Shown]
    executor: Executor
    inventory: Callable[[], Inventory]
    places: Places
    settings: Mapping[str, Mapping[str, str]]
    target: Callable[[str], Target] = registry.get
    leading: Leading | None = None


@dataclass(slots=True)
class _Look:
    seen: Seen
    unread: list[str]


class Auditor:
    """One audit or sweep at a time."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._turn = asyncio.Lock()

    async def audit(self) -> Audit:
        async with self._turn:
            return await self._audit()

    async def sweep(self) -> list[str]:
        """Removes what is ours and safe; a sentence for each thing that went, or did not."""
        async with self._turn:
            return [await self._remove(orphan) for orphan in audits.swept(await self._audit())]

    async def _audit(self) -> Audit:
        leading = self._around.leading
        if leading is not None and not leading.leads():
            return Audit(unread=("this replica follows: only the one that leads knows what is at work just now",))
        elsewhere = await leading.elsewhere() if leading is not None else {}
        running = {**elsewhere, **self._around.executor.running}
        first = await asyncio.to_thread(self._look)
        stacks = await asyncio.to_thread(self._around.inventory().snapshot)
        second = await asyncio.to_thread(self._look)
        shown = self._around.shown()
        world = World(shown.forge.facts, stacks, {**running, **self._around.executor.running})
        known, wanted = self._known(world), _wanted(world)
        seen = audits.both(first.seen, second.seen)
        incomplete = [(facts.full_name, facts.reason) for facts in world.repositories.values() if not facts.complete]
        unread = [*first.unread, *second.unread, *audits.unread(stacks, incomplete)]
        if shown.at is None:
            unread.append("the first look at the Git host is under way")
        found = (*audits.of_plan(shown.plan, known, wanted), *audits.orphans(seen, known))
        return Audit(found, tuple(dict.fromkeys(unread)), _counts(second.seen, stacks))

    def _look(self) -> _Look:
        """One place that cannot be looked at hides no other."""
        held, unread = {}, []
        for name, settings in self._around.settings.items():
            try:
                held[name] = registry.holdings(self._around.target(name), settings)
            except Exception as error:  # noqa: BLE001 - whatever a target's trouble is, it is told
                unread.append(f"the target {name} could not be looked at: {type(error).__name__}: {error}")
        try:
            beside = strays.every(self._around.places)
        except OSError as error:
            beside = []
            unread.append(f"the server's own folders could not be looked at: {error}")
        return _Look(Seen(held, beside), unread)

    def _known(self, world: World) -> Known:
        everybody = subjects.of(world)
        accounted = leftovers.accounted((subject, subject.candidate is not None) for subject in everybody)
        busy = [subject for subject in everybody if subject.running is not None]
        return Known(
            stacks=world.stacks,
            accounted=accounted,
            refs=frozenset(subject.ref for subject in everybody),
            busy=frozenset(subject.ref for subject in busy),
            busy_names=frozenset(subject.name for subject in busy) | self._around.executor.purging,
        )

    # --- removing

    async def _remove(self, orphan: Orphan) -> str:
        said = f"{orphan.where}: {orphan.kind} {orphan.name}"
        if orphan.whole:
            return f"the next cycle removes {said}: {orphan.why}"
        try:
            done = await self._removed(orphan)
        except Exception as error:  # noqa: BLE001 - one that does not go keeps no other
            return f"{said} could not be removed: {error}"
        return f"removed {said}: {orphan.why}" if done else f"left for the next cycle: {said}: {orphan.why}"

    async def _removed(self, orphan: Orphan) -> bool:
        around = self._around
        if orphan.where in around.settings:
            return await self._discard(orphan, around.target(orphan.where), around.settings[orphan.where])
        for stray in await asyncio.to_thread(strays.every, around.places):
            if (stray.kind, stray.path) == (orphan.kind, orphan.name):
                if stray.ref in around.executor.running:
                    return False
                await asyncio.to_thread(strays.remove, around.places, stray)
        return True

    async def _discard(self, orphan: Orphan, target: Target, settings: Mapping[str, str]) -> bool:
        """Nothing is made under that name meanwhile; a name that nothing stands for is purged by the loop."""
        if not isinstance(target, Holds):
            return False
        with self._around.executor.alone(orphan.where, orphan.whose) as alone:
            if not alone:
                return False
            for thing in await asyncio.to_thread(target.holdings, settings):
                if (thing.kind, thing.name, thing.environment) == (orphan.kind, orphan.name, orphan.whose):
                    return await asyncio.to_thread(target.discard, thing, settings)
        return True


def _wanted(world: World) -> frozenset[Key]:
    return frozenset(Key(facts.id, number) for facts in world.repositories.values() for number in facts.candidates)


def _counts(seen: Seen, stacks: StackSnapshot) -> dict[str, int]:
    counts = {target: len(things) for target, things in seen.holdings.items()}
    return {"stacks": len(stacks.stacks), **counts, "beside the stacks": len(seen.strays)}
