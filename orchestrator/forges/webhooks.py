"""Webhooks independent of a particular Git host: an adapter parses them and says what they trigger.

A webhook contains no commands. It triggers an early cycle, which reads the state again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from stacks.model import Key


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A POST as it arrived, header names in lower case. Nothing in it is trusted before an adapter verified it."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a verified webhook triggers: a cycle for one pull request (``key``), for one repository (``key`` is its id),
    for ``everything``, or none. ``note`` is a sentence for the audit trail; empty for an event of no interest."""

    key: Key | int | None = None
    everything: bool = False
    note: str = ""
    name: str = ""
    delivery_id: str = ""


class WebhookParser(Protocol):
    def parse(self, request: WebhookRequest, secret: bytes, now: datetime) -> WebhookEvent | None:
        """None if it isn't signed with ``secret``. Never raises, and doesn't parse the body before the signature is
        verified."""

    def ping(self, secret: bytes, delivery_id: str) -> WebhookRequest:
        """This Git host's signed test request, which Eph sends to itself."""


@dataclass(frozen=True, slots=True)
class PastDelivery:
    """One delivery in the Git host's history."""

    id: str
    event: str
    delivered_at: str
    outcome: str


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """``urls``: the webhook URLs at the Git host. ``note``: why they couldn't be read; empty if they could."""

    urls: tuple[str, ...] = ()
    deliveries: tuple[PastDelivery, ...] = ()
    note: str = ""


@runtime_checkable
class ReportsWebhooks(Protocol):
    """A Git host that exposes its own webhooks and their last deliveries."""

    def webhook_status(self) -> WebhookStatus: ...
