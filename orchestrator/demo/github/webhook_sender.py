"""Webhooks of the sandbox: signed as GitHub signs them, sent by one thread, tried a few times, then forgotten.

Nothing depends on their arrival: a webhook only wakes the one who hears it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import queue
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from orchestrator.demo.github import wording

log = logging.getLogger(__name__)

RETRY_DELAYS = (0.0, 0.5, 2.0)
"""Seconds before each try."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    url: str
    secret: str
    events: frozenset[str]

    def accepts(self, event: str) -> bool:
        return event in self.events or "*" in self.events


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    target: WebhookTarget
    event: str
    body: bytes
    id: str


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class WebhookSender:
    """``deliveries`` contains the results of the last hundred."""

    def __init__(self) -> None:
        self._queue: queue.Queue[QueuedDelivery | None] = queue.Queue(maxsize=10_000)
        self._stopped = threading.Event()
        self.deliveries: deque[dict[str, Any]] = deque(maxlen=100)
        self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)
        self._thread.start()

    def send(self, target: WebhookTarget, event: str, payload: Mapping[str, Any]) -> None:
        delivery = QueuedDelivery(target, event, json.dumps(payload).encode(), str(uuid.uuid4()))
        try:
            self._queue.put_nowait(delivery)
        except queue.Full:
            self._record_outcome(delivery, wording.DELIVERY_DROPPED)

    def close(self) -> None:
        self._stopped.set()
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        with httpx.Client(timeout=5.0, trust_env=False) as client:
            while (delivery := self._queue.get()) is not None and not self._stopped.is_set():
                self._record_outcome(delivery, self._deliver(client, delivery))

    def _deliver(self, client: httpx.Client, delivery: QueuedDelivery) -> str:
        headers = {"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/sandbox"}
        headers |= {"X-GitHub-Event": delivery.event, "X-GitHub-Delivery": delivery.id}
        if delivery.target.secret:
            headers["X-Hub-Signature-256"] = signature(delivery.target.secret, delivery.body)
        outcome = "never tried"
        for wait in RETRY_DELAYS:
            if self._stopped.wait(wait):
                return outcome
            try:
                answer = client.post(delivery.target.url, content=delivery.body, headers=headers)
            except (httpx.HTTPError, httpx.InvalidURL) as problem:
                outcome = f"failed: {type(problem).__name__}"
                continue
            outcome = str(answer.status_code)
            if answer.status_code < 500:
                return outcome
        return outcome

    def _record_outcome(self, delivery: QueuedDelivery, outcome: str) -> None:
        self.deliveries.append({"id": delivery.id, "event": delivery.event, "outcome": outcome})
        log.debug("webhook %s to %s: %s", delivery.event, delivery.target.url, outcome)
