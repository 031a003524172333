"""Webhooks are untrusted until the signature is verified, and then only trigger a cycle. Rows: L1, S1."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.demo.github.webhook_sender import signature
from orchestrator.forges.github.webhooks import webhook_events
from orchestrator.forges.webhooks import WebhookRequest
from stacks import keys

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
BODY = b'{"repository": {"id": 7}}'
# GitHub's own example: docs "Validating webhook deliveries".
EXAMPLE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_githubs_own_example_is_valid() -> None:
    """S1."""
    assert webhook_events.verify(b"It's a Secret to Everybody", b"Hello, World!", EXAMPLE)


@pytest.mark.parametrize(
    "wrong",
    ["", "sha256=", EXAMPLE[:-1], EXAMPLE.upper(), EXAMPLE.replace("sha256", "sha1"), "sha256=é", " " + EXAMPLE],
)
def test_invalid_signature_is_rejected(wrong: str) -> None:
    """S1: and an empty secret signs nothing."""
    assert not webhook_events.verify(b"It's a Secret to Everybody", b"Hello, World!", wrong)
    assert not webhook_events.verify(b"", b"Hello, World!", signature("", b"Hello, World!"))


@given(st.binary(), st.binary(min_size=1), st.binary(min_size=1))
def test_only_the_same_body_and_secret_are_valid(body: bytes, secret: bytes, other: bytes) -> None:
    """S1."""
    import hashlib
    import hmac

    signed = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    assert webhook_events.verify(secret, body, signed)
    assert not webhook_events.verify(secret, body + other, signed)


@pytest.mark.parametrize(
    ("event", "data", "expected"),
    [
        ("pull_request", {"repository": {"id": 7}, "pull_request": {"number": 3}}, keys.pull_request(7, 3)),
        ("issue_comment", {"repository": {"id": 7}, "issue": {"number": 3}}, keys.pull_request(7, 3)),
        ("push", {"repository": {"id": 7}, "ref": "refs/heads/main"}, 7),
        ("status", {"repository": {"id": 7}}, 7),
        ("ping", {"repository": {"id": 7}}, None),
        ("pull_request", {"pull_request": {"number": 3}}, None),
        ("pull_request", {"repository": {"id": "7"}, "pull_request": {"number": 3}}, None),
        ("pull_request", {"repository": {"id": True}}, None),
        ("pull_request", {"repository": {"id": 7}, "pull_request": {"number": -3}}, 7),
        ("pull_request", [], None),
    ],
)
def test_event_triggers_the_right_pull_request(event: str, data: object, expected: object) -> None:
    """L1."""
    assert webhook_events.key_of(event, json.dumps(data).encode()) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (webhook_events.MAX_BODY + 1) + BODY])
def test_any_body_is_handled(body: bytes) -> None:
    """S3."""
    assert webhook_events.key_of("push", body) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
PART = st.dictionaries(st.sampled_from(["id", "number", "updated_at", "created_at", "closed_at", "pushed_at"]), JSON)
PAYLOADS = JSON | st.dictionaries(
    st.sampled_from(["repository", "pull_request", "issue", "comment", "review", "head_commit", "action"]), JSON | PART
)


@given(st.sampled_from(sorted(webhook_events.PULL_REQUEST_EVENTS | {"ping", "unknown"})), PAYLOADS | st.binary())
def test_any_signed_payload_is_handled(event: str, payload: object) -> None:
    """S3: whoever can sign can't stop Eph, and what a payload contains becomes no more than an early read."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {webhook_events.EVENT: event, webhook_events.SIGNATURE: webhook_events.sign(b"secret", body)}
    found = webhook_events.GitHubWebhooks().parse(WebhookRequest(headers, body), b"secret", NOW)
    assert found is not None
    key = found.key
    assert key is None or (key if isinstance(key, int) else key.repository) > 0
