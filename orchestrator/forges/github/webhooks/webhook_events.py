"""What arrives from outside, before anything believes it: is it GitHub's, and whom does it wake?

Pure functions that never raise: the body is a stranger's until its signature fits, and only wakes the loop after.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.model.world import Key

MAX_BODY = 5_000_000
"""GitHub's own limit is 25 MB; an event that we listen to is far below this."""

DATE_FIELDS = (
    ("pull_request", "updated_at"), ("comment", "updated_at"), ("issue", "updated_at"), ("head_commit", "timestamp"),
    ("check_run", "completed_at"), ("check_run", "started_at"), ("check_suite", "updated_at"), ("updated_at",),
)  # fmt: skip
PULL_REQUEST_EVENTS = frozenset(
    {"pull_request", "issue_comment", "push", "status", "check_run", "check_suite", "repository"}
)


MAX_AGE = timedelta(days=1)
"""GitHub lets people send a delivery again for three days; one that is older than this tells nothing new."""
REPOSITORY_EVENTS = frozenset({"installation", "installation_repositories", "installation_target", "repository"})
"""What may change which repositories there are."""


@dataclass(frozen=True, slots=True)
class WebhookEffect:
    """``note``: a sentence for the audit; empty for what does not concern us."""

    key: Key | int | None = None
    everything: bool = False
    note: str = ""


def sign(secret: bytes, body: bytes) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def effect_of(event: str, body: bytes, now: datetime) -> WebhookEffect:
    """Whom it wakes. Its words about what happened are not believed, only that something did."""
    if event == "ping":
        return WebhookEffect(note="the Git host asks whether we hear")
    if event in REPOSITORY_EVENTS:
        return WebhookEffect(everything=True, note="what we may see has changed; everything is looked at")
    key = key_of(event, body)
    if key is None:
        return WebhookEffect()
    age = _age(body, now)
    if age is not None and age > MAX_AGE:
        return WebhookEffect(note=f"it is {age.days} days old; nothing is looked at for it")
    where = (
        f"pull request #{key.number} of repository {key.repository}" if isinstance(key, Key) else f"repository {key}"
    )
    return WebhookEffect(key, note=f"{where} is looked at")


def verify(secret: bytes, body: bytes, signature: str) -> bool:
    """``signature`` is the header X-Hub-Signature-256. Without a secret nothing is GitHub's."""
    if not secret or not signature.isascii():
        return False
    return hmac.compare_digest(sign(secret, body).encode(), signature.encode())


def key_of(event: str, body: bytes) -> Key | int | None:
    """The pull request to look at; else the id of the repository to look at; else None."""
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
    return Key(repository, number) if number is not None else repository


def _age(body: bytes, now: datetime) -> timedelta | None:
    """By the newest date that the thing it is about carries; None when there is none to be read."""
    data = json.loads(body)
    told = [_time(data, *path) for path in DATE_FIELDS]
    known = [moment for moment in told if moment is not None]
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
