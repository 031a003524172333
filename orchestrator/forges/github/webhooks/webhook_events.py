"""GitHub's webhooks: verifies that they are from GitHub, and finds the pull request or repository they name.

Pure functions that never raise. The body is untrusted until its signature is verified, and even then it only triggers a
cycle.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.forges.github import wording
from orchestrator.forges.webhooks import WebhookEvent, WebhookRequest
from stacks import keys
from stacks.model import Key

MAX_BODY = 5_000_000
"""GitHub's own limit is 25 MB; the events that we use are far smaller."""

DATE_FIELDS = (
    ("pull_request", "updated_at"), ("comment", "updated_at"), ("issue", "updated_at"), ("head_commit", "timestamp"),
    ("check_run", "completed_at"), ("check_run", "started_at"), ("check_suite", "updated_at"), ("updated_at",),
)  # fmt: skip
PULL_REQUEST_EVENTS = frozenset(
    {"pull_request", "issue_comment", "push", "status", "check_run", "check_suite", "repository"}
)


MAX_AGE = timedelta(days=1)
"""GitHub lets people redeliver for three days; older deliveries contain nothing new."""
REPOSITORY_EVENTS = frozenset({"installation", "installation_repositories", "installation_target", "repository"})
"""Events that may change which repositories exist."""


EVENT, DELIVERY, SIGNATURE = "x-github-event", "x-github-delivery", "x-hub-signature-256"
MAX_HEADERS = {EVENT: 100, DELIVERY: 100, SIGNATURE: 200}
"""GitHub's delivery IDs, which are remembered, are shorter than this."""


class GitHubWebhooks:
    """The adapter's ``WebhookParser``."""

    def parse(self, request: WebhookRequest, secret: bytes, now: datetime) -> WebhookEvent | None:
        if any(len(request.headers.get(name, "")) > limit for name, limit in MAX_HEADERS.items()):
            return None
        if not verify(secret, request.body, request.headers.get(SIGNATURE, "")):
            return None
        event = request.headers.get(EVENT, "")
        effect = effect_of(event, request.body, now)
        return replace(effect, name=event, delivery_id=request.headers.get(DELIVERY, ""))

    def ping(self, secret: bytes, delivery_id: str) -> WebhookRequest:
        body = json.dumps({"zen": wording.PING, "hook_id": 0}).encode()
        headers = {"content-type": "application/json", EVENT: "ping", DELIVERY: delivery_id}
        return WebhookRequest({**headers, SIGNATURE: sign(secret, body)}, body)


def sign(secret: bytes, body: bytes) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def effect_of(event: str, body: bytes, now: datetime) -> WebhookEvent:
    """What it triggers. Only the fact that something changed is used, not what."""
    if event == "ping":
        return WebhookEvent(note=wording.PING_RECEIVED)
    if event in REPOSITORY_EVENTS:
        return WebhookEvent(everything=True, note=wording.ACCESS_CHANGED)
    key = key_of(event, body)
    if key is None:
        return WebhookEvent()
    age = _age(body, now)
    if age is not None and age > MAX_AGE:
        return WebhookEvent(note=wording.too_old(age.days))
    where = wording.pull_request(key.number, key.repository) if isinstance(key, Key) else f"repository {key}"
    return WebhookEvent(key, note=f"reading {where}")


def verify(secret: bytes, body: bytes, signature: str) -> bool:
    """``signature`` is the header X-Hub-Signature-256. Without a secret, no signature is valid."""
    if not secret or not signature.isascii():
        return False
    return hmac.compare_digest(sign(secret, body).encode(), signature.encode())


def key_of(event: str, body: bytes) -> Key | int | None:
    """The pull request to read, or else the ID of the repository to read, or else None."""
    if event not in PULL_REQUEST_EVENTS or len(body) > MAX_BODY:
        return None
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    repository = _positive(data, "repository", "id")
    if repository is None:
        return None
    number = _positive(data, "pull_request", "number") or _positive(data, "issue", "number")
    return keys.pull_request(repository, number) if number is not None else repository


def _age(body: bytes, now: datetime) -> timedelta | None:
    """By the newest date of its subject; None if there is none."""
    data = json.loads(body)
    dates = [_time(data, *path) for path in DATE_FIELDS]
    known = [moment for moment in dates if moment is not None]
    return now - max(known) if known else None


def _time(data: Any, *path: str) -> datetime | None:
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    try:
        found = datetime.fromisoformat(data) if isinstance(data, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else None


def _positive(data: Any, *path: str) -> int | None:
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    return data if isinstance(data, int) and not isinstance(data, bool) and 0 < data < 2**63 else None
