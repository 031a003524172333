"""Every documented event that we use is understood: what it triggers, and what the audit trail says. Rows: L1, S1.

The files in fixtures/ were written by us, following GitHub's documentation.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.forges.github import wording
from orchestrator.forges.github.webhooks import webhook_events
from orchestrator.forges.webhooks import WebhookEvent
from stacks import keys

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SHOP = 70123
PULL_REQUEST_EVENT = WebhookEvent(keys.pull_request(SHOP, 142), note="reading pull request #142 of repository 70123")
REPOSITORY_EVENT = WebhookEvent(SHOP, note="reading repository 70123")
EXPECTED = {
    "pull_request.opened": PULL_REQUEST_EVENT,
    "pull_request.synchronize": PULL_REQUEST_EVENT,
    "pull_request.labeled": PULL_REQUEST_EVENT,
    "pull_request.closed": PULL_REQUEST_EVENT,
    "issue_comment.created": PULL_REQUEST_EVENT,
    "push": REPOSITORY_EVENT,
    "push.deleted": REPOSITORY_EVENT,
    "installation.created": WebhookEvent(everything=True, note=wording.ACCESS_CHANGED),
    "ping": WebhookEvent(note=wording.PING_RECEIVED),
}


def _body(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def test_no_event_is_left_out() -> None:
    assert {path.stem for path in FIXTURES.glob("*.json")} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_what_it_triggers(name: str) -> None:
    event = name.partition(".")[0]
    expected = EXPECTED[name]
    assert webhook_events.key_of(event, _body(name)) == expected.key
    assert webhook_events.effect_of(event, _body(name), NOW) == expected


@pytest.mark.parametrize("name", ["pull_request.opened", "issue_comment.created", "push"])
def test_redelivery_after_days_triggers_nothing(name: str) -> None:
    """S1: its age is that of its subject, for a push that of its newest commit."""
    heard = webhook_events.effect_of(name.partition(".")[0], _body(name), NOW + timedelta(days=2))
    assert (heard.key, heard.everything) == (None, False)
    assert heard.note
