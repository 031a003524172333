"""Takes webhooks: each is verified, remembered by its id, and triggers an early cycle; nothing more.

A repeated one (by the Git host, or by somebody who recorded it) has no effect: an id that was seen is ignored, so is an
event that is a day old, and triggers are limited to one each half second. ``test`` sends a ping to this server the way
the Git host would, so that everything between them is tried too.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from orchestrator.forges.webhooks import WebhookParser, WebhookRequest, WebhookStatus
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service.port import WebhookTestResult
from programs.kit.caches import BoundedCache

MAX_DELIVERY_IDS = 10_000
TEST_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """``listen_address`` is where this ephd listens; ``public_url`` where the Git host reaches it, if that is set.
    ``status`` asks the Git host, called ``host``, about its own webhooks."""

    secret: bytes
    path: str
    listen_address: str
    public_url: str
    status: Callable[[], WebhookStatus]
    host: str


class WebhookReceiver:
    def __init__(
        self, endpoint: WebhookEndpoint, parser: WebhookParser, wakeups: Wakeups, journal: Journal, clock: Clock
    ) -> None:
        self._endpoint, self._parser = endpoint, parser
        self._wakeups, self._journal, self._clock = wakeups, journal, clock
        self._delivery_ids: BoundedCache[str, bool] = BoundedCache(MAX_DELIVERY_IDS)
        self._lock = threading.Lock()

    def receive(self, request: WebhookRequest) -> bool:
        """Whether it is really the Git host's. Returns at once: all it does is trigger a cycle."""
        event = self._parser.parse(request, self._endpoint.secret, self._clock())
        if event is None:
            return False
        if self._is_new(event.delivery_id):
            if event.everything:
                self._wakeups.wake_soon(refresh=True)
            elif event.key is not None:
                self._wakeups.wake_soon(scope=event.key)
            if event.note:
                delivery = event.delivery_id or "without an id"
                text = f"{event.name or 'no event'}: {event.note} (delivery {delivery})"
                self._journal.record(EventKind.WEBHOOK_RECEIVED, text, actor="webhook")
        return True

    async def test(self) -> WebhookTestResult:
        url = self._endpoint.public_url or f"http://{self._endpoint.listen_address}{self._endpoint.path}"
        number = f"eph-test-{secrets.token_hex(8)}"
        begun = time.monotonic()
        status, message = await self._send(url, number)
        took = (time.monotonic() - begun) * 1000
        arrived = number in self._delivery_ids
        hooks = await asyncio.to_thread(self._endpoint.status)
        return WebhookTestResult(
            url=url,
            status=status,
            milliseconds=took,
            arrived=arrived,
            message=message or _explain_response(status, arrived, self._endpoint),
            hook_urls=hooks.urls,
            deliveries=tuple(f"{past.delivered_at} {past.event}: {past.outcome}" for past in hooks.deliveries),
            note=hooks.note or _hook_url_note(hooks, self._endpoint.public_url),
        )

    async def _send(self, url: str, delivery_id: str) -> tuple[int, str]:
        ping = self._parser.ping(self._endpoint.secret, delivery_id)
        try:
            async with httpx.AsyncClient(timeout=TEST_TIMEOUT, trust_env=bool(self._endpoint.public_url)) as client:
                return (await client.post(url, content=ping.body, headers=dict(ping.headers))).status_code, ""
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, f"{url} does not respond: {str(error) or type(error).__name__}"

    def _is_new(self, delivery_id: str) -> bool:
        """One without an id is always new."""
        if not delivery_id:
            return True
        with self._lock:
            new = delivery_id not in self._delivery_ids
            self._delivery_ids.put(delivery_id, True)
            return new


def _explain_response(status: int, arrived: bool, endpoint: WebhookEndpoint) -> str:
    if status == 202 and arrived:
        more = "" if endpoint.public_url else "; set forge.webhook_url to test the public address"
        return f"The ping arrived and its signature is valid{more}"
    if status == 202:
        return "Another server responded: the address leads to another Eph or to another replica"
    if status == 401:
        return "Invalid signature: the server at this address has another webhook secret"
    if status in (301, 302, 307, 308):
        return f"The server responded with a redirect ({status}), which {endpoint.host} does not follow; use its target"
    return f"The server responded with {status}: a proxy in front of Eph may block POST {endpoint.path}"


def _hook_url_note(hooks: WebhookStatus, url: str) -> str:
    if not hooks.urls:
        return "no webhook found at the Git host; Eph still polls at every interval"
    if url and url not in hooks.urls:
        return f"the Git host sends webhooks to {', '.join(hooks.urls)}, not to forge.webhook_url"
    return ""
