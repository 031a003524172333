"""Readiness (P3): an environment is ready when its URL answered through the gateway, not when ``up`` returned.

One prober for each URL that should answer: quick until it does, then slow. A change of mind wakes the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.core.model import Candidate, Health, Recipe, World
from orchestrator.core.subjects import of as subjects_of
from orchestrator.runtime.clock import Clock
from stacks.model import StackRef

log = logging.getLogger("eph.health")

QUICK = 0.1
QUICK_MOST = 2.0
SLOW = 10.0
GROWTH = 1.3
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of one environment."""

    ref: StackRef
    commit: str
    host: str
    path: str


class Probe(Protocol):
    async def __call__(self, host: str, path: str) -> tuple[bool, str]:
        """Whether it answered well, and a word on how. Never raises."""


def questions(world: World) -> Iterable[Question]:
    """Every environment that was built, is wanted and does not sleep, by its first public service."""
    for subject in subjects_of(world):
        record, candidate = subject.record, subject.candidate
        if record is None or record.built is None or candidate is None or (record.tag and record.tag.asleep):
            continue
        yield Question(subject.ref, record.built.commit, _host(record.built.url), _path(candidate))


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition(":")[0] or url.partition("://")[2].partition("/")[0]


def _path(candidate: Candidate) -> str:
    if isinstance(candidate.recipe, Recipe):
        for service in candidate.recipe.spec.services:
            if service.public:
                return service.health.path
    return "/"


class Monitor:
    """Keeps ``answers`` true. ``changed`` is called, in the loop's thread, when an answer turns."""

    def __init__(self, probe: Probe, clock: Clock, changed: Callable[[], None], sleep: Sleep = asyncio.sleep) -> None:
        self._probe = probe
        self._clock = clock
        self._changed = changed
        self._sleep = sleep
        self._probers: dict[Question, asyncio.Task[None]] = {}
        self._answers: dict[StackRef, Health] = {}

    @property
    def answers(self) -> Mapping[StackRef, Health]:
        return self._answers

    def watch(self, wanted: Iterable[Question]) -> None:
        """Starts and ends probers so that exactly the wanted ones run."""
        asked = set(wanted)
        for question in [question for question in self._probers if question not in asked]:
            self._probers.pop(question).cancel()
        for question in asked - self._probers.keys():
            self._probers[question] = asyncio.create_task(self._ask(question))
        known = {question.ref for question in asked}
        for ref in [ref for ref in self._answers if ref not in known]:
            del self._answers[ref]

    async def close(self) -> None:
        probers = list(self._probers.values())
        self._probers.clear()
        for prober in probers:
            prober.cancel()
        await asyncio.gather(*probers, return_exceptions=True)

    async def _ask(self, question: Question) -> None:
        pause = QUICK
        while True:
            ok, detail = await self._answer(question)
            if self._note(question, ok, detail):
                self._changed()
            pause = SLOW if ok else min(QUICK_MOST, pause * GROWTH) if pause < SLOW else QUICK
            await self._sleep(pause)

    async def _answer(self, question: Question) -> tuple[bool, str]:
        """A prober that broke would leave its environment unhealthy, or ready, for ever."""
        try:
            return await self._probe(question.host, question.path)
        except Exception as error:
            log.exception("%s could not be asked", question.host)
            return False, f"{question.path} could not be asked for ({type(error).__name__})"

    def _note(self, question: Question, ok: bool, detail: str) -> bool:
        """Writes the answer down; gives whether it turned."""
        now = self._clock()
        before = self._answers.get(question.ref)
        if before is not None and (before.ok, before.commit) == (ok, question.commit):
            self._answers[question.ref] = replace(before, at=now, since=min(before.since, now), detail=detail)
            return False
        self._answers[question.ref] = Health(ok, question.commit, now, now, detail)
        return before is None or before.ok != ok or ok
