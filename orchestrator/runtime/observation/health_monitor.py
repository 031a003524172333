"""Readiness (P3): an environment is ready when the URLs of all its public services respond through the gateway, not
when ``up`` returns.

There is one prober per URL: fast until it responds, then slow. A change of the environment's result wakes the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
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
    """The health check of one public service. ``origin`` is where people reach it: scheme, host name and port.
    ``service`` is its name if its environment has several."""

    ref: StackRef
    commit: str
    origin: str
    path: str
    service: str = ""


class Probe(Protocol):
    async def __call__(self, origin: str, path: str) -> tuple[bool, str]:
        """Send one health check. Returns whether it succeeded, and a detail. Never raises."""


def probe_requests(world: World) -> Iterable[ProbeRequest]:
    """Every public service of each environment that is built, wanted and awake."""
    for subject in subjects_of(world):
        record, candidate = subject.record, subject.request
        if record is None or record.built is None or candidate is None or (record.tag and record.tag.asleep):
            continue
        built, checks = record.built, list(_checks(candidate, record.built))
        for service, url, path in checks:
            yield ProbeRequest(subject.ref, built.commit, _origin(url), path, service if len(checks) > 1 else "")


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _checks(request: EnvironmentRequest, built: BuildInfo) -> Iterator[tuple[str, str, str]]:
    """Name, URL and path of each public service. One that isn't built yet has no URL. Of those that only manifests
    name, the front."""
    services = request.recipe.spec.services if isinstance(request.recipe, Recipe) else ()
    public = [service for service in services if service.public]
    if not public:
        front = next((name for name, url in built.urls.items() if url == built.url), "")
        yield front, built.url, built.health.get(front, "/")
    for service in public:
        url = built.url if service is public[0] else built.urls.get(service.name, "")
        if url:
            yield service.name, url, service.health.path


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
        self._requests: dict[StackRef, list[ProbeRequest]] = {}
        self._results: dict[ProbeRequest, tuple[bool, str]] = {}
        self._statuses: dict[StackRef, HealthStatus] = {}
        self._unchecked: set[ProbeRequest] = set()
        self._all_checked = asyncio.Event()
        self._signal_first_results()

    @property
    def statuses(self) -> Mapping[StackRef, HealthStatus]:
        return self._statuses

    def watch(self, requests: Iterable[ProbeRequest]) -> None:
        """Start and stop probers so that exactly the wanted ones run."""
        wanted = dict.fromkeys(requests)
        for request in [request for request in self._probers if request not in wanted]:
            self._probers.pop(request).cancel()
            self._results.pop(request, None)
        for request in wanted.keys() - self._probers.keys():
            self._probers[request] = asyncio.create_task(self._probe_repeatedly(request))
        self._requests = {}
        for request in wanted:
            self._requests.setdefault(request.ref, []).append(request)
        unknown = (request for request in wanted if request.ref not in self._statuses)
        self._unchecked = {request for request in unknown if request not in self._results}
        self._signal_first_results()
        for ref in [ref for ref in self._statuses if ref not in self._requests]:
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
        """Record the result. Returns whether that of its environment changed."""
        self._results[request] = ok, wording.problems.of_service(request.service, detail)
        found = self._result(request.ref)
        return found is not None and self._record_status(request.ref, request.commit, *found)

    def _result(self, ref: StackRef) -> tuple[bool, str] | None:
        """That of the first service that doesn't respond. None while some haven't been checked and the others do."""
        requests = self._requests[ref]
        results = [self._results[request] for request in requests if request in self._results]
        failed = next((result for result in results if not result[0]), None)
        return failed or (results[0] if len(results) == len(requests) else None)

    def _record_status(self, ref: StackRef, commit: str, ok: bool, detail: str) -> bool:
        now = self._clock()
        before = self._statuses.get(ref)
        if before is not None and (before.ok, before.commit) == (ok, commit):
            self._statuses[ref] = replace(before, at=now, since=min(before.since, now), detail=detail)
            return False
        self._statuses[ref] = HealthStatus(ok, commit, now, now, detail)
        return before is None or before.ok != ok or ok
