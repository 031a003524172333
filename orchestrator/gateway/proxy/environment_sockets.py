"""Connects to services that listen in the network namespace of their environment.

Their upstreams have host names under ``.isolated``, which no resolver knows: each connection uses a socket that a
broker created in that environment (``programs.kit.isolation``). So a connection reaches the environment's own process
or fails. Some unused sockets are kept, because getting one takes some milliseconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.client_exceptions import ClientConnectorError
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from yarl import URL

from programs.kit.isolation import sockets

SUFFIX = ".isolated"
SPARE_SECONDS = 30.0
"""Spare sockets of an environment without connections are closed after this time."""
FULL_QUEUE_SECONDS = 30.0
"""Nothing is lost on the way into a namespace of this machine: a connection that takes long waits in the service's
queue, which is full, as after a wake that hundreds of people waited for."""
RequestSockets = Callable[[Path, str, int], list[socket.socket]]


def isolated_url(environment: str, port: int) -> URL | None:
    """The upstream of a service in its environment's namespace."""
    return URL.build(scheme="http", host=f"{environment}{SUFFIX}", port=port) if environment and port else None


def environment_of(host: str) -> str:
    """The environment of an isolated upstream; empty for any other host."""
    return host.removesuffix(SUFFIX) if host.endswith(SUFFIX) else ""


class EnvironmentSockets:
    """``folder`` is the broker's. Concurrent connections to one environment share requests to the broker."""

    def __init__(self, folder: Path, request: RequestSockets = sockets.request) -> None:
        self._folder = folder
        self._request = request
        self._spare: dict[str, deque[socket.socket]] = {}
        self._filling: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def connect(self, environment: str, port: int) -> socket.socket:
        """A connected socket. Raises OSError."""
        made = await self._take(environment)
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except BaseException:
            made.close()
            self._drop(environment)  # after a restart of the namespace the others lead nowhere
            raise
        return made

    def prepare(self, environment: str) -> None:
        """Requests sockets now, because a connection is about to be made. If there are none, that connection fails."""
        if not self._spare.get(environment):
            self._fill(environment).add_done_callback(_ignore_failure)
            self._keep_for_a_while(environment)

    def close(self) -> None:
        for environment in [*self._spare]:
            self._drop(environment)
        for task in self._filling.values():
            task.cancel()

    async def _take(self, environment: str) -> socket.socket:
        self._waiting[environment] = self._waiting.get(environment, 0) + 1
        try:
            while not (spare := self._spare.get(environment)):
                await asyncio.shield(self._fill(environment))
        finally:
            self._waiting[environment] -= 1
            if not self._waiting[environment]:
                del self._waiting[environment]
        self._keep_for_a_while(environment)
        return spare.popleft()

    def _fill(self, environment: str) -> asyncio.Task[None]:
        running = self._filling.get(environment)
        if running is None:
            running = self._filling[environment] = asyncio.create_task(self._request_more(environment))
        return running

    async def _request_more(self, environment: str) -> None:
        try:
            count = min(max(sockets.BATCH, self._waiting.get(environment, 0)), sockets.MAX_SOCKETS)
            made = await asyncio.to_thread(self._request, self._folder, environment, count)
            for item in made:
                item.setblocking(False)
            self._spare.setdefault(environment, deque()).extend(made)
        finally:
            del self._filling[environment]

    def _keep_for_a_while(self, environment: str) -> None:
        if timer := self._timers.pop(environment, None):
            timer.cancel()
        self._timers[environment] = asyncio.get_running_loop().call_later(SPARE_SECONDS, self._drop, environment)

    def _drop(self, environment: str) -> None:
        if timer := self._timers.pop(environment, None):
            timer.cancel()
        for item in self._spare.pop(environment, ()):
            item.close()


def _ignore_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


class EnvironmentConnector(TCPConnector):
    """aiohttp's connector, with isolated upstreams."""

    def __init__(self, environments: EnvironmentSockets, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # aiohttp checks its own options
        self._environments = environments

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - its signature
    ) -> ResponseHandler:
        environment = environment_of(req.url.host or "")
        if not environment:
            return await super()._create_connection(req, traces, timeout)
        try:
            async with asyncio.timeout(FULL_QUEUE_SECONDS):
                made = await self._environments.connect(environment, req.url.port or 80)
        except OSError as error:
            raise ClientConnectorError(req.connection_key, error) from error
        _, protocol = await self._loop.create_connection(self._factory, sock=made)
        return protocol
