"""WebSockets through the gateway: messages, pings, subprotocol and close code pass in both directions.

The upstream is asked first, with the subprotocols that the client offered; the client's handshake is answered with
what the upstream chose. So a refusal reaches the client as the plain HTTP answer that it is.
"""

from __future__ import annotations

import asyncio

from aiohttp import (
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSMessage,
    WSMsgType,
    WSServerHandshakeError,
    hdrs,
    web,
)
from yarl import URL

from orchestrator.gateway.headers import Sender, downwards, tokens, upwards
from orchestrator.gateway.proxy import Client, Find, NoAnswer, target, with_patience

MOST_MESSAGE = 32 * 1024 * 1024
CLOSE_SECONDS = 5.0
NO_STATUS = 1000
BROKEN = 1011
_NOT_TWICE = (
    hdrs.CONTENT_LENGTH,
    hdrs.SEC_WEBSOCKET_ACCEPT,
    hdrs.SEC_WEBSOCKET_EXTENSIONS,
    hdrs.SEC_WEBSOCKET_PROTOCOL,
)
End = ClientWebSocketResponse | web.WebSocketResponse


def wanted(request: web.BaseRequest) -> bool:
    return request.method == "GET" and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


async def tunnel(
    request: web.BaseRequest, client: Client, find: Find, sender: Sender, preview: bool
) -> web.StreamResponse:
    """Raises NoAnswer, as ``proxy.forward`` does."""
    headers = upwards(request.headers, sender, socket=True)
    protocols = tokens(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ()))

    async def ask(upstream: URL) -> ClientWebSocketResponse:
        return await client.session.ws_connect(
            target(upstream, request.rel_url),
            protocols=protocols,
            headers=headers,
            autoclose=False,
            autoping=False,
            max_msg_size=MOST_MESSAGE,
            timeout=ClientWSTimeout(ws_close=CLOSE_SECONDS),
        )

    try:
        far = await with_patience(ask, find, repeatable=True)
    except NoAnswer as error:
        if isinstance(error.__cause__, WSServerHandshakeError):
            return _refusal(error.__cause__)
        raise
    try:
        near = await _accept(request, far, preview)
        await _both_ways(near, far)
    finally:
        await far.close(code=BROKEN)
    return near


def _refusal(error: WSServerHandshakeError) -> web.StreamResponse:
    """The upstream's own status; an upgrade it only claimed to make is a fault of its own."""
    return web.Response(status=error.status if error.status >= 300 else 502, text="The upgrade was refused.\n")


async def _accept(request: web.BaseRequest, far: ClientWebSocketResponse, preview: bool) -> web.WebSocketResponse:
    near = web.WebSocketResponse(
        protocols=[far.protocol] if far.protocol else [],
        autoclose=False,
        autoping=False,
        compress=False,
        max_msg_size=MOST_MESSAGE,
        timeout=CLOSE_SECONDS,
    )
    answered = downwards(far._response.headers, preview)
    for name in _NOT_TWICE:
        answered.popall(name, None)
    near.headers.extend(answered)
    await near.prepare(request)
    return near


async def _both_ways(near: web.WebSocketResponse, far: ClientWebSocketResponse) -> None:
    """Until one end closes or is gone; then no direction listens any more, and the other end hears the same code."""
    to_far = asyncio.create_task(_one_way(near, far))
    to_near = asyncio.create_task(_one_way(far, near))
    try:
        await asyncio.wait({to_far, to_near}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = to_far if to_far.done() else to_near
        await _stop(to_far, to_near)
    code, reason = ended.result()
    first, second = (far, near) if ended is to_far else (near, far)
    await first.close(code=code, message=reason)
    await second.close(code=code, message=reason)


async def _stop(*tasks: asyncio.Task[tuple[int, bytes]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _one_way(source: End, sink: End) -> tuple[int, bytes]:
    """Until ``source`` closes or ``sink`` can take no more; gives the code and words to close with."""
    while True:
        message = await source.receive()
        try:
            if not await _pass(message, sink):
                return _farewell(message, source)
        except ConnectionError:
            return BROKEN, b""


async def _pass(message: WSMessage, sink: End) -> bool:
    match message.type:
        case WSMsgType.TEXT:
            await sink.send_str(message.data)
        case WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        case WSMsgType.PING:
            await sink.ping(message.data)
        case WSMsgType.PONG:
            await sink.pong(message.data)
        case _:
            return False
    return True


def _farewell(message: WSMessage, source: End) -> tuple[int, bytes]:
    if message.type is WSMsgType.CLOSE:
        return message.data or NO_STATUS, (message.extra or "").encode()
    # Gone without a word, or something that is no WebSocket frame: 1006 itself must not be sent.
    code = source.close_code
    return (code if code and code not in (1005, 1006) else BROKEN), b""
