"""Proxies WebSockets: messages, pings, subprotocol and close code are passed in both directions.

The upstream is contacted first, with the subprotocols that the client offered; the client's handshake gets what the
upstream chose. So a rejection reaches the client as a plain HTTP response.
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

from orchestrator.gateway import wording
from orchestrator.gateway.proxy.headers import ClientInfo, list_items, request_headers, response_headers
from orchestrator.gateway.proxy.http_proxy import (
    FindUpstream,
    UpstreamClient,
    UpstreamUnavailable,
    upstream_url,
    with_retries,
)

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes. An unfinished message is kept in memory, in each direction of each WebSocket."""
CLOSE_SECONDS = 5.0
NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011
_HANDSHAKE_HEADERS = (
    hdrs.CONTENT_LENGTH,
    hdrs.SEC_WEBSOCKET_ACCEPT,
    hdrs.SEC_WEBSOCKET_EXTENSIONS,
    hdrs.SEC_WEBSOCKET_PROTOCOL,
)
WebSocketEnd = ClientWebSocketResponse | web.WebSocketResponse


def is_upgrade(request: web.BaseRequest) -> bool:
    return request.method == "GET" and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


async def tunnel(
    request: web.BaseRequest,
    client: UpstreamClient,
    find_upstream: FindUpstream,
    client_info: ClientInfo,
    is_preview: bool,
) -> web.StreamResponse:
    """Raises UpstreamUnavailable, like ``http_proxy.forward``."""
    headers = request_headers(request.headers, client_info, websocket=True)
    protocols = list_items(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ()))

    async def ask(upstream: URL) -> ClientWebSocketResponse:
        return await client.session.ws_connect(
            upstream_url(upstream, request.rel_url),
            protocols=protocols,
            headers=headers,
            autoclose=False,
            autoping=False,
            max_msg_size=MAX_MESSAGE,
            timeout=ClientWSTimeout(ws_close=CLOSE_SECONDS),
            ssl=client.tls(is_preview=is_preview),
        )

    try:
        far = await with_retries(ask, find_upstream, repeatable=True)
    except UpstreamUnavailable as error:
        if isinstance(error.__cause__, WSServerHandshakeError):
            return _refusal(error.__cause__)
        raise
    try:
        near = await _accept(request, far, is_preview)
        await _relay_both(near, far)
    finally:
        await far.close(code=INTERNAL_ERROR)
    return near


def _refusal(error: WSServerHandshakeError) -> web.StreamResponse:
    """The upstream's status, or 502 if it claimed to upgrade but didn't."""
    return web.Response(status=error.status if error.status >= 300 else 502, text=wording.UPGRADE_REJECTED)


async def _accept(
    request: web.BaseRequest, upstream: ClientWebSocketResponse, is_preview: bool
) -> web.WebSocketResponse:
    near = web.WebSocketResponse(
        protocols=[upstream.protocol] if upstream.protocol else [],
        autoclose=False,
        autoping=False,
        compress=False,
        max_msg_size=MAX_MESSAGE,
        timeout=CLOSE_SECONDS,
    )
    answered = response_headers(upstream._response.headers, is_preview, request.host)
    for name in _HANDSHAKE_HEADERS:
        answered.popall(name, None)
    near.headers.extend(answered)
    await near.prepare(request)
    return near


async def _relay_both(client_socket: web.WebSocketResponse, upstream: ClientWebSocketResponse) -> None:
    """Runs until one end closes or disappears; then both directions stop, and the other end gets the same close
    code."""
    to_far = asyncio.create_task(_relay_one(client_socket, upstream))
    to_near = asyncio.create_task(_relay_one(upstream, client_socket))
    try:
        await asyncio.wait({to_far, to_near}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = to_far if to_far.done() else to_near
        await _stop(to_far, to_near)
    code, reason = ended.result()
    first, second = (upstream, client_socket) if ended is to_far else (client_socket, upstream)
    await first.close(code=code, message=reason)
    await second.close(code=code, message=reason)


async def _stop(*tasks: asyncio.Task[tuple[int, bytes]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _relay_one(source: WebSocketEnd, sink: WebSocketEnd) -> tuple[int, bytes]:
    """Runs until ``source`` closes or ``sink`` accepts no more. Returns the close code and reason."""
    while True:
        message = await source.receive()
        try:
            if not await _relay_message(message, sink):
                return _close_reason(message, source)
        except ConnectionError:
            return INTERNAL_ERROR, b""


async def _relay_message(message: WSMessage, sink: WebSocketEnd) -> bool:
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


def _close_reason(message: WSMessage, source: WebSocketEnd) -> tuple[int, bytes]:
    if message.type is WSMsgType.CLOSE:
        return message.data or NORMAL_CLOSURE, (message.extra or "").encode()
    # It disappeared without a close frame, or sent an invalid frame: 1006 itself must not be sent.
    code = source.close_code
    return (code if code and code not in (1005, 1006) else INTERNAL_ERROR), b""
