"""Handles requests to a sleeping preview: people get a page that reloads automatically, and programs wait until it
responds.

A request is recorded in the traffic file, and ephd decides what to do. For each preview, a single task watches the
route until it is awake, however many requests wait. A failed start is reported to all requests that arrived before it
failed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from yarl import URL

from orchestrator.config import file_names
from orchestrator.core.views.phases import Phase
from orchestrator.gateway import holding_pages
from orchestrator.gateway.route_directory import PreviewRoute, PreviewState, RouteDirectory
from orchestrator.gateway.wake import visit_rules
from orchestrator.gateway.wake.traffic_log import TrafficLog
from programs.kit import host_names
from programs.kit.folder_watch import FolderWatch

log = logging.getLogger("eph.gateway")

POLL_SECONDS = 0.005
"""Seconds between two looks if nothing is replaced in the gateway's folders. Targets on other machines write there,
too, and the kernel doesn't report that."""
RELEASED_AT_ONCE = 4
RELEASE_INTERVAL = 0.01
"""Seconds between two groups. The queue of a simple server has five places for connections that it hasn't accepted.
The kernel drops the others, and a client that sent its request already then waits for up to minutes."""
_FAILED = frozenset({Phase.FAILED, Phase.STALLED})


@dataclass(slots=True)
class _WakeWaiters:
    """The requests that wait for one host. ``task`` returns the state that explains why it can't wake, or None if
    it is awake or gone, which its route shows."""

    task: asyncio.Task[PreviewState | None]
    count: int = 0
    released: int = 0


@dataclass(slots=True)
class WakeOnRequest:
    """``max_wait``: how many seconds a program waits. ``prepare`` gets ready for requests to an upstream."""

    directory: RouteDirectory
    traffic: TrafficLog
    max_wait: float
    prepare: Callable[[URL], None]
    _waiting: dict[str, _WakeWaiters] = field(default_factory=dict)

    async def hold(self, request: web.BaseRequest, route: PreviewRoute) -> web.StreamResponse | None:
        """None: it is awake now, or gone, which its route shows."""
        headers, state = request.headers, self._state(route.host)
        if not visit_rules.is_visit(request.method, request.path, headers, route.health):
            return holding_pages.render(holding_pages.asleep(), headers, route.host, state)
        self._request_wake(route.host)
        if state is not None and state.paused:
            return holding_pages.render(holding_pages.paused(), headers, route.host, state)
        if visit_rules.is_browser(request.method, headers):
            failed = state is not None and state.phase in _FAILED
            page = holding_pages.wake_failed(state.message) if failed and state else holding_pages.waking()
            return holding_pages.render(page, headers, route.host, state and self.directory.with_output(state))
        self.prepare(route.upstream)
        try:
            async with asyncio.timeout(self.max_wait):
                found = await self._wait_until_awake(route.host)
        except TimeoutError:
            return holding_pages.render(
                holding_pages.still_waking(), holding_pages.JSON_HEADERS, route.host, self._state(route.host)
            )
        if found is None:
            return None
        return holding_pages.render(
            holding_pages.wake_failed(found.message), holding_pages.JSON_HEADERS, route.host, found
        )

    def _state(self, host: str) -> PreviewState | None:
        return self.directory.state(host_names.environment_host(host))

    def _request_wake(self, host: str) -> None:
        if self.traffic.request_wake(host):
            try:
                self.traffic.save()
            except OSError as error:
                log.warning("can't save the wake request for %s: %s", host, error)

    async def _wait_until_awake(self, host: str) -> PreviewState | None:
        waiting = self._waiting.get(host)
        if waiting is None:
            waiting = self._waiting[host] = _WakeWaiters(asyncio.create_task(self._poll_until_awake(host, time.time())))
        waiting.count += 1
        try:
            found = await asyncio.shield(waiting.task)
            if found is None:
                turn, waiting.released = waiting.released, waiting.released + 1
                await asyncio.sleep(turn // RELEASED_AT_ONCE * RELEASE_INTERVAL)
            return found
        finally:
            waiting.count -= 1
            if self._waiting.get(host) is waiting and (waiting.task.done() or not waiting.count):
                del self._waiting[host]  # later requests need a new task
            if not waiting.count:
                waiting.task.cancel()

    async def _poll_until_awake(self, host: str, since: float) -> PreviewState | None:
        with FolderWatch(self.directory.path, self.directory.path / file_names.ROUTES) as folders:
            while True:
                route = self.directory.route(host)
                if route is None or not route.asleep:
                    return None
                state = self._state(host)
                if state is not None and state.failed_at > since:
                    return state
                await folders.wait(POLL_SECONDS)
