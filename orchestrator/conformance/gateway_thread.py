"""The real gateway in a thread, for tests that block while they visit it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from yarl import URL

from orchestrator.config import file_names
from orchestrator.gateway.gateway_server import GatewaySettings
from orchestrator.gateway.serve import Address, running_gateway


@contextlib.contextmanager
def serving_gateway(routes_folder: Path) -> Iterator[int]:
    """Its port. Without an ephd that lists the previews, each route counts as one that doesn't expire."""
    routes_folder.parent.mkdir(parents=True, exist_ok=True)
    (routes_folder.parent / file_names.PREVIEW_STATES).write_text('{"hosts": {}}')
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        settings = GatewaySettings("localhost", URL("http://127.0.0.1:1"))
        async with running_gateway(Address("127.0.0.1", 0), settings, routes_folder.parent) as address:
            stop = asyncio.Event()
            started.set_result((address.port, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    port, loop, stop = started.result(20)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
