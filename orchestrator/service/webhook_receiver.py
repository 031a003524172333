"""Webhooks as ephd hears them: verified, remembered by their id, and turned into a wake; nothing more.

Whoever repeats one (GitHub itself, or somebody who recorded it) changes nothing: an id that was seen is thanked for and
forgotten, an event that is a day old wakes nobody, and a wake only makes us look, at once each half second at most.
``test`` sends one to ourselves the way GitHub would, so that what stands in between is tried too.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from orchestrator.forges.github.webhooks import webhook_events
from orchestrator.forges.github.webhooks.webhook_status import WebhookStatus
from orchestrator.ledger import event_kinds
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.api.api_settings import WebhookDelivery
from orchestrator.surfaces.port import WebhookTestResult

MAX_DELIVERY_IDS = 10_000
TEST_TIMEOUT = 10.0
WEBHOOK_PATH = "/api/v1/webhooks/github"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """``listen_address`` is where this ephd listens; ``public_url`` where the Git host reaches it, when the operator
    told. ``list_hooks`` asks the Git host about its own hooks."""

    secret: bytes
    listen_address: str
    public_url: str
    list_hooks: Callable[[], WebhookStatus]


class WebhookReceiver:
    def __init__(self, endpoint: WebhookEndpoint, wakeups: Wakeups, journal: Journal, clock: Clock) -> None:
        self._endpoint, self._wakeups, self._journal, self._clock = endpoint, wakeups, journal, clock
        self._delivery_ids: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def receive(self, delivery: WebhookDelivery) -> bool:
        """Whether it is GitHub's. Answers at once: all it does is wake."""
        if not webhook_events.verify(self._endpoint.secret, delivery.body, delivery.signature):
            return False
        if self._is_new(delivery.id):
            heard = webhook_events.effect_of(delivery.event, delivery.body, self._clock())
            if heard.everything:
                self._wakeups.wake_soon(refresh=True)
            elif heard.key is not None:
                self._wakeups.wake_soon(scope=heard.key)
            if heard.note:
                told = f"{delivery.event or 'no event'}: {heard.note} (delivery {delivery.id or 'without an id'})"
                self._journal.record(event_kinds.WEBHOOK_RECEIVED, told, actor="webhook")
        return True

    async def test(self) -> WebhookTestResult:
        url = self._endpoint.public_url or f"http://{self._endpoint.listen_address}{WEBHOOK_PATH}"
        number = f"eph-test-{secrets.token_hex(8)}"
        begun = time.monotonic()
        status, message = await self._send(url, number)
        took = (time.monotonic() - begun) * 1000
        arrived = number in self._delivery_ids
        hooks = await asyncio.to_thread(self._endpoint.list_hooks)
        return WebhookTestResult(
            url=url,
            status=status,
            milliseconds=took,
            arrived=arrived,
            message=message or _explain_response(status, arrived, bool(self._endpoint.public_url)),
            hook_urls=hooks.urls,
            deliveries=tuple(f"{past.delivered_at} {past.event}: {past.outcome}" for past in hooks.deliveries),
            note=hooks.note or _hook_url_note(hooks, self._endpoint.public_url),
        )

    async def _send(self, url: str, delivery_id: str) -> tuple[int, str]:
        body = json.dumps({"zen": "Eph asks itself whether it can be heard.", "hook_id": 0}).encode()
        headers = {"Content-Type": "application/json", "X-GitHub-Event": "ping", "X-GitHub-Delivery": delivery_id}
        headers["X-Hub-Signature-256"] = webhook_events.sign(self._endpoint.secret, body)
        try:
            async with httpx.AsyncClient(timeout=TEST_TIMEOUT, trust_env=bool(self._endpoint.public_url)) as client:
                return (await client.post(url, content=body, headers=headers)).status_code, ""
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return 0, f"{url} does not answer: {str(error) or type(error).__name__}"

    def _is_new(self, delivery_id: str) -> bool:
        """One without an id is always new."""
        if not delivery_id:
            return True
        with self._lock:
            new = delivery_id not in self._delivery_ids
            self._delivery_ids[delivery_id] = None
            while len(self._delivery_ids) > MAX_DELIVERY_IDS:
                self._delivery_ids.popitem(last=False)
            return new


def _explain_response(status: int, arrived: bool, is_public: bool) -> str:
    if status == 202 and arrived:
        more = "" if is_public else "; set forge.webhook_url to try the way from outside"
        return f"it arrived, and its signature was accepted{more}"
    if status == 202:
        return "something else answered in our place: the address leads to another Eph, or to another replica"
    if status == 401:
        return "the signature was refused: what answers there has another secret"
    if status in (301, 302, 307, 308):
        return f"answered with a redirect ({status}), which GitHub does not follow: give the address that it leads to"
    return f"answered {status}: what stands in front of Eph does not let POST {WEBHOOK_PATH} through"


def _hook_url_note(hooks: WebhookStatus, url: str) -> str:
    if not hooks.urls:
        return "the Git host has no webhook that we can see; Eph looks every interval anyway"
    if url and url not in hooks.urls:
        return f"the Git host sends to {', '.join(hooks.urls)}, and not to forge.webhook_url"
    return ""
