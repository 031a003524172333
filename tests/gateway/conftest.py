"""A real gateway and real upstreams on their own loopback ports, with and without previews that require sign-in."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web
from multidict import CIMultiDict
from yarl import URL

from orchestrator.demo import free_ports
from orchestrator.gateway.access.guess_limiter import GuessLimiter
from orchestrator.gateway.gateway_server import GatewaySettings
from orchestrator.gateway.serve import Address, running_gateway
from orchestrator.gateway.tls import TlsListener

HOST = "shop-gentle-stream-42.eph.test"
OPEN_HOST = "shop-quiet-river-7.eph.test"
TOKEN = "token-of-the-test-that-is-long-enough"
HTML_HEADERS = {"Accept": "text/html"}
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

    async def upstream(self, handler: Handler, port: int = 0, context: ssl.SSLContext | None = None) -> int:
        runner = web.ServerRunner(web.Server(handler, handler_cancellation=True), shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
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
        headers: Mapping[str, str] | None = None,
        data: object = None,
    ) -> ClientResponse:
        """``headers`` replaces Host. A multi-dictionary keeps several lines of one name."""
        sent = CIMultiDict(headers or {})
        sent.setdefault("Host", host)
        response = await self.client.request(method, self.url(path), headers=sent, data=data, allow_redirects=False)
        await response.read()
        return response


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    (tmp_path / "routes").mkdir()
    (tmp_path / "states.json").write_text('{"hosts": {}}')
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ClientSession(auto_decompress=False))
        yield GatewayWorld(tmp_path, stack, client)


@pytest.fixture
async def protected_world(world: GatewayWorld, tmp_path: Path) -> GatewayWorld:
    """One preview that requires sign-in, one that doesn't; both return the headers that reached them."""

    async def echo(request: web.BaseRequest) -> web.Response:
        return web.Response(text="\n".join(f"{key}: {value}" for key, value in request.headers.items()))

    port = await world.upstream(echo)
    upstream = f"http://127.0.0.1:{port}"
    world.write(f"routes/{HOST}.json", {"host": HOST, "upstream": upstream, "sign_in": True})
    world.write(f"routes/api--{HOST}.json", {"host": f"api--{HOST}", "upstream": upstream, "sign_in": True})
    world.route(OPEN_HOST, port)
    tokens = tmp_path / "previews.token"
    tokens.write_text(f"# for tests\n{TOKEN}\nshort\n")
    await world.start(tokens=tokens, sign_in="asked")
    return world


async def sign_in(world: GatewayWorld, token: str = TOKEN, to: str = "/", **headers: str) -> ClientResponse:
    data = {"token": token, "to": to}
    response = await world.client.post(
        world.url("/_eph/sign-in"), headers={"Host": HOST, **headers}, data=data, allow_redirects=False
    )
    await response.read()
    return response


def cookie(response: ClientResponse) -> str:
    """As a browser sends it back; the client's own jar wouldn't, because it uses the gateway's address."""
    return response.headers["Set-Cookie"].partition(";")[0]


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nothing listens on."""
    return free_ports.free_port
