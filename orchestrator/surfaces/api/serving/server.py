"""The API's web server inside ephd's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence

import uvicorn

from orchestrator.runtime.server.addresses import StartupError
from orchestrator.surfaces import wording
from orchestrator.surfaces.leader_proxy import App


class _Server(uvicorn.Server):
    """Signals are handled by ephd, not by the web server."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # as uvicorn's has none
        yield


@contextlib.asynccontextmanager
async def serve(
    app: App, listener: socket.socket, proxies: Sequence[str] = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Serves requests within the block. Yields the server's task, which ends only after an error. ``proxies``: networks
    whose X-Forwarded-For and -Proto are trusted, besides this machine, where the gateway is. With ``tls``, the app must
    already be served without it, which starts it."""
    # Not uvloop: it breaks Pulumi's event loop (pulumi #17588), and one loop everywhere avoids surprises.
    config = uvicorn.Config(
        app,
        loop="asyncio",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        lifespan="off" if tls else "auto",
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
        forwarded_allow_ips=["127.0.0.1", "::1", *proxies],
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    try:
        await _wait_until_started(server, task)
        yield task
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


async def _wait_until_started(server: _Server, task: asyncio.Task[None]) -> None:
    while not server.started:
        if task.done():
            raise StartupError(wording.api.stopped_at_startup(task.exception() or "unknown error"))
        await asyncio.sleep(0.01)
