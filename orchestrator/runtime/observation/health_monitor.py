"""Readiness (P3): an environment is ready when its URL responds through the gateway, not when ``up`` returns.

There is one prober per URL: fast until it responds, then slow. A change of the result wakes the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.core.model.environment_facts import collect as subjects_of
from orchestrator.core.model.world import EnvironmentRequest, HealthStatus, Recipe, World
from orchestrator.runtime import wording
from orchestrator.runtime.clock import Clock
from stacks.model import BuildInfo, StackRef

log = logging.getLogger("eph.health")

FAST_INTERVAL = 0.1
MAX_FAST_INTERVAL = 2.0
SLOW_INTERVAL = 10.0
INTERVAL_GROWTH = 1.3
SleepFunction = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """The health check of one environment. ``origin`` is where people reach it: scheme, host name and port."""

    ref: StackRef
    commit: str
    origin: str
    path: str


class Probe(Protocol):
    async def __call__(self, origin: str, path: str) -> tuple[bool, str]:
        """Send one health check. Returns whether it succeeded, and a detail. Never raises."""


def probe_requests(world: World) -> Iterable[ProbeRequest]:
    """Every environment that is built, wanted and awake, by its first public service."""
    for subject in subjects_of(world):
        record, candidate = subject.record, subject.request
        if record is None or record.built is None or candidate is None or (record.tag and record.tag.asleep):
            continue
        yield ProbeRequest(subject.ref, record.built.commit, _origin(record.built.url), _path(candidate, record.built))


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _path(request: EnvironmentRequest, built: BuildInfo) -> str:
    if isinstance(request.recipe, Recipe):
        for service in request.recipe.spec.services:
            if service.public:
                return service.health.path
    front = next((name for name, url in built.urls.items() if url == built.url), "")
    return built.health.get(front, "/")


class HealthMonitor:
    """Keeps ``statuses`` up to date. When a result changes, ``on_change`` is called in the loop's thread with whether
    the environment responds now."""

    def __init__(
        self, probe: Probe, clock: Clock, on_change: Callable[[bool], None], sleep: SleepFunction = asyncio.sleep
    ) -> None:
        self._probe = probe
        self._clock = clock
        self._on_change = on_change
        self._sleep = sleep
        self._probers: dict[ProbeRequest, asyncio.Task[None]] = {}
        self._statuses: dict[StackRef, HealthStatus] = {}
        self._unchecked: set[ProbeRequest] = set()
        self._all_checked = asyncio.Event()
        self._signal_first_results()

    @property
    def statuses(self) -> Mapping[StackRef, HealthStatus]:
        return self._statuses

    def watch(self, requests: Iterable[ProbeRequest]) -> None:
        """Start and stop probers so that exactly the wanted ones run."""
        asked = set(requests)
        for question in [question for question in self._probers if question not in asked]:
            self._probers.pop(question).cancel()
        for question in asked - self._probers.keys():
            self._probers[question] = asyncio.create_task(self._probe_repeatedly(question))
        self._unchecked = {question for question in asked if question.ref not in self._statuses}
        self._signal_first_results()
        known = {question.ref for question in asked}
        for ref in [ref for ref in self._statuses if ref not in known]:
            del self._statuses[ref]

    async def wait_for_first_results(self, seconds: float) -> None:
        """Until everything that is watched has been checked once, or this time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_checked.wait(), seconds)

    def _signal_first_results(self) -> None:
        if self._unchecked:
            self._all_checked.clear()
        else:
            self._all_checked.set()

    async def close(self) -> None:
        probers = list(self._probers.values())
        self._probers.clear()
        for prober in probers:
            prober.cancel()
        await asyncio.gather(*probers, return_exceptions=True)

    async def _probe_repeatedly(self, request: ProbeRequest) -> None:
        pause = FAST_INTERVAL
        while True:
            ok, detail = await self._probe_once(request)
            changed = self._record(request, ok, detail)
            self._unchecked.discard(request)
            self._signal_first_results()
            if changed:
                self._on_change(ok)
            pause = (
                SLOW_INTERVAL
                if ok
                else min(MAX_FAST_INTERVAL, pause * INTERVAL_GROWTH)
                if pause < SLOW_INTERVAL
                else FAST_INTERVAL
            )
            await self._sleep(pause)

    async def _probe_once(self, request: ProbeRequest) -> tuple[bool, str]:
        """Never raises: after a crash of the prober, its environment would keep its last result forever."""
        try:
            return await self._probe(request.origin, request.path)
        except Exception as error:
            log.exception("%s could not be requested", request.origin)
            return False, wording.problems.not_requested(request.path, error)

    def _record(self, request: ProbeRequest, ok: bool, detail: str) -> bool:
        """Record the result. Returns whether it changed."""
        now = self._clock()
        before = self._statuses.get(request.ref)
        if before is not None and (before.ok, before.commit) == (ok, request.commit):
            self._statuses[request.ref] = replace(before, at=now, since=min(before.since, now), detail=detail)
            return False
        self._statuses[request.ref] = HealthStatus(ok, request.commit, now, now, detail)
        return before is None or before.ok != ok or ok
