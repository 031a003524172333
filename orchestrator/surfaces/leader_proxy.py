"""Forwards requests from a follower to the leader, so that clients and load balancers can use any replica.

Only the leader knows what is running, what is waiting and what people requested. All replicas know the same tokens and
sign sessions with the same key. So a request is forwarded unchanged, and the leader authorizes it as if it had arrived
there. If the leader can't be reached, this replica responds itself: it returns what it knows, a webhook triggers a
cycle, and a change is rejected (503) until there is a leader. Probes and metrics are about this process and are never
forwarded, and neither are uploads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

import httpx

from orchestrator.runtime.leadership import Leadership
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import error_response

log = logging.getLogger("eph.relay")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/api/v1/deploys/uploads"})
"""Uploads are large, and end up in the folder that all replicas share."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WEBHOOK_PREFIX = "/api/v1/webhooks/"
RETRY_HINT = wording.api.TRY_IN_SECONDS
FORWARDED_HEADER = b"x-eph-passed-on"
"""Marks forwarded requests: two replicas that take each other for the leader must not forward in a loop."""
HOP_BY_HOP_HEADERS = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
SERVER_HEADERS = frozenset({b"date", b"server"})
"""Headers that the web server itself adds to each response."""
CONNECT_TIMEOUT = 3.0
RESPONSE_TIMEOUT = 20.0
"""Seconds to wait for the start of a response. Longer than a failover takes."""
POLL_INTERVAL = 0.5
MAX_BODY_BYTES = 2 * 1024 * 1024


class LeaderProxy:
    """An ASGI app around ``app``. ``accepts``: whether requests may be sent to that URL. ``tls`` verifies the leader's
    certificate."""

    def __init__(
        self,
        app: App,
        leadership: Leadership,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        accepts: Callable[[str], bool] = lambda _: True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.app = app
        self._leadership = leadership
        self._accepts = accepts
        timeout = httpx.Timeout(CONNECT_TIMEOUT, read=None, pool=None)  # streams are silent for long periods
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        transport = transport or httpx.AsyncHTTPTransport(verify=tls or True, limits=limits, trust_env=False)
        self._client = httpx.AsyncClient(timeout=timeout, transport=transport, trust_env=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in LOCAL_PATHS or self._leadership.is_leader():
            await self.app(scope, receive, send)
            return
        leader = "" if _is_forwarded(scope) else self._leadership.leader
        body = await _read_body(receive)
        if body is None or (leader and await self._forward(leader, scope, body, receive, send)):
            return
        again = _replay_body(body, receive)
        if self._leadership.is_leader() or scope["method"] in SAFE_METHODS or scope["path"].startswith(WEBHOOK_PREFIX):
            await self.app(scope, again, send)
        else:
            where = wording.api.last_leader(leader) if leader else ""
            await error_response(503, wording.api.no_leader(where), RETRY_HINT, {"Retry-After": "5"})(
                scope, again, send
            )

    async def close(self) -> None:
        await self._client.aclose()

    async def _forward(self, leader: str, scope: Scope, body: bytes, receive: Receive, send: Send) -> bool:
        """False: nothing was sent, because the leader isn't reachable, or only without TLS."""
        if not self._accepts(leader):
            log.warning("Not forwarding requests to the leader at %s without TLS.", leader)
            return False
        request = self._client.build_request(
            scope["method"],
            httpx.URL(leader).copy_with(raw_path=_raw_path(scope)),
            headers=[
                *((key, value) for key, value in scope["headers"] if key not in HOP_BY_HOP_HEADERS),
                (FORWARDED_HEADER, b"1"),
            ],
            content=body,
        )
        answer = await self._start_response(leader, request)
        if answer is None:
            return False
        try:
            await _until_disconnect(_send_response(answer, send), receive)
        finally:
            await answer.aclose()
        return True

    async def _start_response(self, leader: str, request: httpx.Request) -> httpx.Response | None:
        """The start of its response. A paused leader sends none, and another replica takes over meanwhile."""
        asking = asyncio.create_task(self._client.send(request, stream=True))
        try:
            for _ in range(int(RESPONSE_TIMEOUT / POLL_INTERVAL)):
                await asyncio.wait({asking}, timeout=POLL_INTERVAL)
                if asking.done():
                    return asking.result()
                if self._leadership.leader != leader:
                    break
            log.warning("The leader at %s doesn't respond.", leader)
        except httpx.TransportError as error:
            log.warning("Can't reach the leader at %s: %s: %s", leader, type(error).__name__, error)
        finally:
            asking.cancel()
        return None


def _is_forwarded(scope: Scope) -> bool:
    return any(key == FORWARDED_HEADER for key, _ in scope["headers"])


def _raw_path(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return raw + b"?" + query if query else raw


async def _read_body(receive: Receive) -> bytes | None:
    """The body, which is small, as in the whole API; None if the client disconnected. A body over the limit is cut and
    then rejected."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        if not message.get("more_body") or size > MAX_BODY_BYTES:
            return b"".join(parts)


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """The body that was already read, then further messages."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _send_response(response: httpx.Response, send: Send) -> None:
    headers = [
        (key, value) for key, value in response.headers.raw if key.lower() not in HOP_BY_HOP_HEADERS | SERVER_HEADERS
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    # If the leader dies in the middle, the response ends, as its own would have.
    with contextlib.suppress(httpx.TransportError):
        async for part in response.aiter_raw():
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_disconnect(response: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Until the response ends or the client disconnects: otherwise a stream would never end."""
    work = asyncio.create_task(response)
    disconnected = asyncio.create_task(_wait_disconnect(receive))
    try:
        await asyncio.wait({work, disconnected}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, disconnected):
            task.cancel()
        await asyncio.gather(work, disconnected, return_exceptions=True)


async def _wait_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
