"""What arrives from outside, before anything believes it: is it GitHub's, and whom does it wake?

Pure functions that never raise: the body is a stranger's until its signature fits, and only wakes the loop after.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from orchestrator.core.model import Key

MOST = 5_000_000
"""GitHub's own limit is 25 MB; an event that we listen to is far below this."""

EVENTS = frozenset({"pull_request", "issue_comment", "push", "status", "check_run", "check_suite", "repository"})


def verify(secret: bytes, body: bytes, signature: str) -> bool:
    """``signature`` is the header X-Hub-Signature-256. Without a secret nothing is GitHub's."""
    if not secret or not signature.isascii():
        return False
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def key_of(event: str, body: bytes) -> Key | int | None:
    """The pull request to look at; else the id of the repository to look at; else None."""
    if event not in EVENTS or len(body) > MOST:
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


def _positive(data: Any, *path: str) -> int | None:
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    return data if isinstance(data, int) and not isinstance(data, bool) and 0 < data < 2**63 else None
