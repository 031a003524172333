"""A real gateway and real upstreams on their own loopback ports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web
from yarl import URL

from orchestrator.demo import free_ports
from orchestrator.gateway.access.guess_limiter import GuessLimiter
from orchestrator.gateway.gateway_server import GatewaySettings
from orchestrator.gateway.serve import Address, running_gateway
from orchestrator.gateway.tls import TlsListener

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class GatewayWorld:
    """``request`` sends a request for a host to the gateway."""

    directory: Path
    stack: AsyncExitStack
    client: ClientSession
    clock: list[float] = field(default_factory=lambda: [0.0])
    port: int = 0

    async def start(self, control: int = 1, tls: TlsListener | None = None, **settings: Any) -> None:
        limits = GuessLimiter(per_minute=3, monotonic=lambda: self.clock[0])
        made = GatewaySettings("eph.test", URL(f"http://127.0.0.1:{control}"), **settings)
        address = await self.stack.enter_async_context(
            running_gateway(Address("127.0.0.1", 0), made, self.directory, limits, tls)
        )
        self.port = address.port

    async def upstream(self, handler: Handler, port: int = 0) -> int:
        runner = web.ServerRunner(web.Server(handler, handler_cancellation=True), shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return int(runner.addresses[0][1])

    def route(self, host: str, port: int) -> None:
        self.write(f"routes/{host}.json", {"host": host, "upstream": f"http://127.0.0.1:{port}", "environment": "e"})

    def state(self, host: str, **state: object) -> None:
        self.write("states.json", {"hosts": {host: {"environment": "shop-x-1", **state}}})

    def write(self, name: str, data: object) -> None:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(data))
        beside.replace(path)

    def url(self, path: str = "/") -> URL:
        return URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)

    async def request(
        self,
        host: str,
        path: str = "/",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        data: object = None,
    ) -> ClientResponse:
        sent = {"Host": host, **(headers or {})}
        response = await self.client.request(method, self.url(path), headers=sent, data=data, allow_redirects=False)
        await response.read()
        return response


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    (tmp_path / "routes").mkdir()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ClientSession(auto_decompress=False))
        yield GatewayWorld(tmp_path, stack, client)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nothing listens on."""
    return free_ports.free_port
