"""WebSockets through the gateway, over real connections: P3's transport."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web

from orchestrator.gateway.gateway_server import MAX_OPEN
from orchestrator.gateway.proxy import websockets
from tests.gateway.conftest import GatewayWorld, Handler

HOST = "shop-gentle-stream-42.eph.test"


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Echoes messages of the same kind; ``close CODE REASON`` makes it close."""
    socket = web.WebSocketResponse(protocols=("chat.v2", "chat.v1"), autoping=False)
    socket.headers["X-Seen"] = (
        f"{request.headers['X-Forwarded-For']} {request.headers.get('Origin')} {request.raw_path}"
    )
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT and message.data.startswith("close "):
            _, code, words = message.data.split(" ", 2)
            await socket.close(code=int(code), message=words.encode())
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data.upper())
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data[::-1])
        elif message.type is WSMsgType.PING:
            await socket.pong(message.data)
    return socket


async def connect(
    world: GatewayWorld, handler: Handler = echo, max_open: int = MAX_OPEN, **options: Any
) -> ClientWebSocketResponse:
    world.route(HOST, await world.upstream(handler))
    await world.start(max_open=max_open)
    url = world.url("/live?room=1%2F2")
    headers = {"Host": HOST}
    socket: ClientWebSocketResponse = await world.client.ws_connect(
        url, headers=headers, autoping=False, max_msg_size=0, **options
    )
    return socket


async def test_messages_pass_both_ways(world: GatewayWorld) -> None:
    socket = await connect(world)
    await socket.send_str("hällo")
    assert await socket.receive_str() == "HÄLLO"
    await socket.send_bytes(b"\x00\x01" * 500_000)
    assert await socket.receive_bytes() == b"\x01\x00" * 500_000
    await socket.ping(b"are you there")
    pong = await socket.receive()
    assert (pong.type, bytes(pong.data)) == (WSMsgType.PONG, b"are you there")


async def test_the_upstream_chooses_the_subprotocol(world: GatewayWorld) -> None:
    socket = await connect(world, protocols=("other", "chat.v1"), origin="http://shop")
    assert socket.protocol == "chat.v1"
    assert socket._response.headers["X-Seen"] == "127.0.0.1 http://shop /live?room=1%2F2"
    assert socket._response.headers["X-Robots-Tag"] == "noindex, nofollow"


async def test_a_message_may_not_fill_the_memory(world: GatewayWorld) -> None:
    """S3: the gateway keeps a message until it is complete."""
    socket = await connect(world)
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(b"x" * (websockets.MAX_MESSAGE + 1))
    assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_the_number_of_sockets_is_limited_for_a_preview(world: GatewayWorld) -> None:
    """S3: a quarter of all places is for WebSockets, and a quarter of those for each preview."""
    first = await connect(world, max_open=16)
    with pytest.raises(WSServerHandshakeError) as refused:
        await world.client.ws_connect(world.url("/live"), headers={"Host": HOST})
    assert refused.value.status == 503
    await first.close()
    assert not (await world.client.ws_connect(world.url("/live"), headers={"Host": HOST})).closed


async def test_no_subprotocol_is_none(world: GatewayWorld) -> None:
    assert (await connect(world)).protocol is None


async def test_close_by_the_upstream_keeps_its_code_and_reason(world: GatewayWorld) -> None:
    socket = await connect(world)
    await socket.send_str("close 4001 go away")
    message = await socket.receive()
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "go away")


async def test_close_by_the_client_reaches_the_upstream(world: GatewayWorld) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await codes.put(socket.close_code)
        return socket

    socket = await connect(world, handler)
    await socket.close(code=4002)
    assert await asyncio.wait_for(codes.get(), 2) == 4002


async def test_upstream_that_dies_is_not_a_normal_close(world: GatewayWorld) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return socket

    socket = await connect(world, handler)
    await socket.receive()
    assert socket.close_code == 1011


async def test_client_that_dies_ends_the_upstreams_socket(world: GatewayWorld) -> None:
    ended = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        ended.set()
        return socket

    socket = await connect(world, handler)
    connection = socket._response.connection or socket._conn
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()
    await asyncio.wait_for(ended.wait(), 2)


async def test_rejected_upgrade_keeps_its_response(world: GatewayWorld) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403)

    with pytest.raises(WSServerHandshakeError) as caught:
        await connect(world, handler)
    assert caught.value.status == 403
