"""Webhooks as ephd hears them, and the one that it sends to itself. Rows: L1, S1, O5."""

from __future__ import annotations

import json
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from orchestrator.demo.free_ports import free_port
from orchestrator.forges.github.webhooks import webhook_events
from orchestrator.forges.github.webhooks.webhook_events import GitHubWebhooks
from orchestrator.forges.webhooks import PastDelivery, WebhookRequest, WebhookStatus
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.wakeups import FULL_REFRESH, NO_REFRESH, Refresh, Wakeups
from orchestrator.service import wording
from orchestrator.service.fake import FakeEnvironmentService
from orchestrator.service.webhook_receiver import WebhookEndpoint, WebhookReceiver, _explain_response
from orchestrator.surfaces.api.api_settings import webhook_path
from orchestrator.surfaces.api.app import create_app
from stacks import keys
from tests.surfaces.api_server import TOKENS, api_settings, serve

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = b"quiet"
LABELED = {
    "action": "labeled",
    "number": 3,
    "pull_request": {"number": 3, "updated_at": "2026-03-02T11:59:58Z"},
    "repository": {"id": 7, "full_name": "acme/shop"},
    "installation": {"id": 99},
    "sender": {"login": "ada"},
}
"""The parts of GitHub's documented payload that count."""


NO_HOOKS = WebhookStatus()
ONE_PULL_REQUEST = Refresh(True, frozenset({keys.pull_request(7, 3)}))


def labeled_at(text: str) -> dict[str, Any]:
    return {**LABELED, "pull_request": {"number": 3, "updated_at": text}}


def endpoint(listen_address: str, url: str = "", hooks: WebhookStatus = NO_HOOKS) -> WebhookEndpoint:
    return WebhookEndpoint(SECRET, webhook_path("github"), listen_address, url, lambda: hooks, "GitHub")


def signed(event: str, body: bytes, secret: bytes, delivery_id: str) -> WebhookRequest:
    headers = {"x-github-event": event, "x-github-delivery": delivery_id}
    return WebhookRequest({**headers, "x-hub-signature-256": webhook_events.sign(secret, body)}, body)


class WebhookSetup:
    def __init__(self, url: str = "", hooks: WebhookStatus = NO_HOOKS) -> None:
        self.wakeups, self.ledger = Wakeups(), MemoryLedger()
        journal = Journal(self.ledger, lambda: NOW)
        self.hook = WebhookReceiver(
            endpoint(f"127.0.0.1:{free_port()}", url, hooks), GitHubWebhooks(), self.wakeups, journal, lambda: NOW
        )

    def send(self, event: str, data: Any, delivery_id: str = "d-1", secret: bytes = SECRET) -> bool:
        body = json.dumps(data).encode()
        return self.hook.receive(signed(event, body, secret, delivery_id))

    @property
    def pending_wake(self) -> Refresh:
        return self.wakeups._refresh or NO_REFRESH

    def recorded_messages(self) -> list[str]:
        return [event.message for event in self.ledger.events() if event.kind == EventKind.WEBHOOK_RECEIVED]


def test_webhook_wakes_its_pull_request_and_records_its_id() -> None:
    """L1; the audit names the delivery."""
    heard = WebhookSetup()
    assert heard.send("pull_request", LABELED)
    assert heard.pending_wake == Refresh(True, frozenset({keys.pull_request(7, 3)}))
    assert heard.recorded_messages() == ["pull_request: reading pull request #3 of repository 7 (delivery d-1)"]


def test_forged_webhook_is_ignored() -> None:
    """S1."""
    heard = WebhookSetup()
    assert not heard.send("pull_request", LABELED, secret=b"loud")
    assert not heard.pending_wake.needed
    assert heard.recorded_messages() == []


def test_a_replay_is_harmless() -> None:
    """L1, S1: thanked for, and forgotten."""
    heard = WebhookSetup()
    for _ in range(5):
        assert heard.send("pull_request", LABELED)
    assert len(heard.recorded_messages()) == 1


@pytest.mark.parametrize(
    ("event", "data", "woken"),
    [
        ("ping", {"zen": "x"}, Refresh()),
        ("installation_repositories", {"action": "added"}, FULL_REFRESH),
        ("repository", {"repository": {"id": 7}}, FULL_REFRESH),
        ("push", {"repository": {"id": 7}, "ref": "refs/heads/x"}, Refresh(True, frozenset({7}))),
        ("star", {"repository": {"id": 7}}, Refresh()),
        ("push", [], Refresh()),
        ("pull_request", labeled_at("2026-02-20T00:00:00Z"), Refresh()),
        ("pull_request", labeled_at("soon"), ONE_PULL_REQUEST),
        ("pull_request", labeled_at("2026-01-01T00:00:00"), ONE_PULL_REQUEST),
    ],
    ids=["ping", "installed", "repository", "push", "not ours", "no object", "old", "no date", "no zone"],
)  # fmt: skip
def test_webhook_wakes_the_right_pull_request(event: str, data: Any, woken: Refresh) -> None:
    """L1: an old one tells nothing new; what cannot be understood wakes nobody, or all that it may mean."""
    heard = WebhookSetup()
    assert heard.send(event, data)
    assert heard.pending_wake == woken


def test_receiving_takes_less_than_ten_milliseconds() -> None:
    """Issue 5: the answer is quick because nothing is done. CPU time, of a payload larger than GitHub's usual ones."""
    heard = WebhookSetup()
    body = json.dumps({**LABELED, "filler": ["x" * 100] * 2000}).encode()
    took = []
    for number in range(50):
        request = signed("pull_request", body, SECRET, str(number))
        begun = time.process_time()
        assert heard.hook.receive(request)
        took.append(time.process_time() - begun)
    assert len(body) > 200_000
    assert statistics.median(took) < 0.010


async def test_unreachable_endpoint_is_reported() -> None:
    """`eph webhook test` reports it, and the Git host's own deliveries."""
    hooks = WebhookStatus(
        ("https://eph.example/hook",), (PastDelivery("g", "push", "2026-03-02T11:00:00Z", "502 failed"),)
    )
    found = await WebhookSetup(hooks=hooks).hook.test()
    assert (found.status, found.arrived) == (0, False)
    assert found.message
    assert found.deliveries == ("2026-03-02T11:00:00Z push: 502 failed",)


@pytest.mark.parametrize(
    ("status", "arrived", "sentence"),
    [
        (202, True, wording.ping_arrived("https://eph.example")),
        (202, False, wording.OTHER_SERVER),
        (401, False, wording.WRONG_SECRET),
        (301, False, wording.redirected(301, "GitHub")),
        (404, False, wording.unexpected_status(404, "/api/v1/webhooks/github")),
    ],
)
def test_a_webhook_test_explains_the_response(status: int, arrived: bool, sentence: str) -> None:
    assert _explain_response(status, arrived, endpoint("127.0.0.1:1", "https://eph.example")) == sentence


async def test_a_ping_to_ourselves_arrives() -> None:
    """S1: through the API as GitHub's would; only an admin may ask for it."""
    heard = WebhookSetup()
    settings = api_settings(webhook=heard.hook.receive, webhook_test=heard.hook.test)
    with serve(create_app(FakeEnvironmentService(), settings)) as url:
        heard.hook._endpoint = endpoint(url.removeprefix("http://"))
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            path = "/api/v1/webhooks/github/test"
            asked = {role: {"Authorization": f"Bearer {token}"} for role, token in TOKENS.items()}
            assert (await client.post(path, headers=asked["developer"])).status_code == 403
            found = (await client.post(path, headers=asked["admin"])).json()
    assert (found["status"], found["arrived"]) == (202, True)
    assert (found["message"], found["note"]) == (wording.ping_arrived(""), wording.NO_WEBHOOK)
    assert heard.recorded_messages()[0].startswith("ping: ping from the Git host (delivery eph-test-")
