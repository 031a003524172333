"""Receives webhooks: verifies each, remembers its id, and triggers an early cycle; nothing more.

A replayed webhook has no effect: known ids and events older than a day are ignored, and cycles are triggered at most
every half second. ``test`` sends a ping to this server as the Git host would, which also tests everything in between.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.forges import registry as forge_registry
from orchestrator.forges.port import Forge
from orchestrator.forges.webhooks import ReportsWebhooks, WebhookParser, WebhookRequest, WebhookStatus
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service import wording
from orchestrator.service.port import WebhookTestResult
from programs.kit.caches import BoundedCache

MAX_DELIVERY_IDS = 10_000
TEST_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """``listen_address`` is this ephd's address; ``public_url`` is the one for the Git host, if configured.

    ``status`` reads the webhooks configured at the Git host, whose product name is ``host``.
    """

    secret: bytes
    path: str
    listen_address: str
    public_url: str
    status: Callable[[], WebhookStatus]
    host: str


def open_receiver(
    settings: ServerSettings, path: str, forge: Forge, wakeups: Wakeups, journal: Journal, clock: Clock
) -> WebhookReceiver | None:
    """None if no webhook secret is configured, or if the Git host has no webhooks."""
    parser = forge_registry.get(settings.forge.kind).webhooks
    secret = settings.forge.read_webhook_secret().encode()
    if not secret or parser is None:
        return None
    endpoint = WebhookEndpoint(
        secret=secret,
        path=path,
        listen_address=settings.listen,
        public_url=settings.forge.webhook_url,
        status=forge.webhook_status if isinstance(forge, ReportsWebhooks) else WebhookStatus,
        host=forge.words.host,
    )
    return WebhookReceiver(endpoint, parser, wakeups, journal, clock)


class WebhookReceiver:
    def __init__(
        self, endpoint: WebhookEndpoint, parser: WebhookParser, wakeups: Wakeups, journal: Journal, clock: Clock
    ) -> None:
        self._endpoint, self._parser = endpoint, parser
        self._wakeups, self._journal, self._clock = wakeups, journal, clock
        self._delivery_ids: BoundedCache[str, bool] = BoundedCache(MAX_DELIVERY_IDS)
        self._lock = threading.Lock()

    def receive(self, request: WebhookRequest) -> bool:
        """Accept a webhook, or return False if its signature is invalid. Returns at once: it only triggers a cycle."""
        event = self._parser.parse(request, self._endpoint.secret, self._clock())
        if event is None:
            return False
        if self._is_new(event.delivery_id):
            if event.everything:
                self._wakeups.wake_soon(refresh=True)
            elif event.key is not None:
                self._wakeups.wake_soon(scope=event.key)
            if event.note:
                text = wording.webhook_received(event.name, event.note, event.delivery_id)
                self._journal.record(EventKind.WEBHOOK_RECEIVED, text, actor="webhook")
        return True

    async def test(self) -> WebhookTestResult:
        url = self._endpoint.public_url or f"http://{self._endpoint.listen_address}{self._endpoint.path}"
        number = f"eph-test-{secrets.token_hex(8)}"
        started = time.monotonic()
        status, message = await self._send(url, number)
        milliseconds = (time.monotonic() - started) * 1000
        arrived = number in self._delivery_ids
        hooks = await asyncio.to_thread(self._endpoint.status)
        return WebhookTestResult(
            url=url,
            status=status,
            milliseconds=milliseconds,
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
            return 0, wording.url_unreachable(url, error)

    def _is_new(self, delivery_id: str) -> bool:
        """A webhook without an id is always new."""
        if not delivery_id:
            return True
        with self._lock:
            new = delivery_id not in self._delivery_ids
            self._delivery_ids.put(delivery_id, True)
            return new


def _explain_response(status: int, arrived: bool, endpoint: WebhookEndpoint) -> str:
    if status == 202 and arrived:
        return wording.ping_arrived(endpoint.public_url)
    if status == 202:
        return wording.OTHER_SERVER
    if status == 401:
        return wording.WRONG_SECRET
    if status in (301, 302, 307, 308):
        return wording.redirected(status, endpoint.host)
    return wording.unexpected_status(status, endpoint.path)


def _hook_url_note(hooks: WebhookStatus, url: str) -> str:
    if not hooks.urls:
        return wording.NO_WEBHOOK
    if url and url not in hooks.urls:
        return wording.other_webhook_urls(hooks.urls)
    return ""
