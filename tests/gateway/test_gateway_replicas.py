"""O2, S1: the gateway reaches the leader's API over TLS and verifies its certificate."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from orchestrator.runtime.server.tls_certificate import TlsCertificate
from tests.gateway.certificates import CertificateAuthority
from tests.gateway.conftest import GatewayWorld

CONTROL = "control"


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    made = CertificateAuthority(tmp_path, ("localhost",))
    made.issue()
    return made


async def _echo(request: web.BaseRequest) -> web.StreamResponse:
    """A message of a WebSocket, or the method."""
    if request.headers.get("Upgrade") != "websocket":
        return web.Response(text=request.method)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def _start(world: GatewayWorld, authority: CertificateAuthority, *, trusted: bool) -> None:
    """An API with a certificate of ``authority``, whose URL the gateway reads from a file."""
    certificate = TlsCertificate(authority.certificate_file, authority.key_file)
    port = await world.upstream(_echo, context=certificate.context)
    (world.directory / CONTROL).write_text(f"https://localhost:{port}")
    await world.start(control_file=world.directory / CONTROL, api_tls=authority.client_context() if trusted else None)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_api_with_a_certificate_of_the_configured_authority_is_reached(
    world: GatewayWorld, authority: CertificateAuthority, method: str
) -> None:
    await _start(world, authority, trusted=True)
    response = await world.request("eph.test", method=method)
    assert (response.status, await response.text()) == (200, method)


async def test_so_are_its_terminals(world: GatewayWorld, authority: CertificateAuthority) -> None:
    await _start(world, authority, trusted=True)
    async with world.client.ws_connect(world.url(), headers={"Host": "eph.test"}) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"


async def test_any_other_certificate_is_refused(world: GatewayWorld, authority: CertificateAuthority) -> None:
    await _start(world, authority, trusted=False)
    assert (await world.request("eph.test")).status == 502
