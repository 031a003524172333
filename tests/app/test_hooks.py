"""Webhooks as ephd hears them, and the one that it sends to itself. Rows: L1, S1, O5."""

from __future__ import annotations

import json
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from orchestrator.app.hooks import Hook, Way, _verdict
from orchestrator.core.model import Key
from orchestrator.forge.github import webhooks
from orchestrator.forge.github.hooks import Hooks, Past
from orchestrator.forge.sandbox.world import free_port
from orchestrator.ledger import kinds
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.wakeups import EVERYTHING, Look, Wakeups
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.api.settings import Delivery
from orchestrator.surfaces.fake import FakeDesk
from tests.surfaces.serving import TOKENS, api_settings, serve

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


NO_HOOKS = Hooks()
THAT_ONE = Look(True, frozenset({Key(7, 3)}))


def dated(text: str) -> dict[str, Any]:
    return {**LABELED, "pull_request": {"number": 3, "updated_at": text}}


class Heard:
    def __init__(self, url: str = "", hooks: Hooks = NO_HOOKS) -> None:
        self.wakeups, self.ledger = Wakeups(), MemoryLedger()
        journal = Journal(self.ledger, lambda: NOW)
        way = Way(SECRET, f"127.0.0.1:{free_port()}", url, lambda: hooks)
        self.hook = Hook(way, self.wakeups, journal, lambda: NOW)

    def send(self, event: str, data: Any, number: str = "d-1", secret: bytes = SECRET) -> bool:
        body = json.dumps(data).encode()
        return self.hook.received(Delivery(event, body, webhooks.sign(secret, body), number))

    @property
    def woken(self) -> Look:
        return self.wakeups._look

    def told(self) -> list[str]:
        return [event.message for event in self.ledger.events() if event.kind == kinds.WEBHOOK_RECEIVED]


def test_it_wakes_its_pull_request_and_its_id_is_kept() -> None:
    """L1; the audit names the delivery."""
    heard = Heard()
    assert heard.send("pull_request", LABELED)
    assert heard.woken == Look(True, frozenset({Key(7, 3)}))
    assert heard.told() == ["pull_request: pull request #3 of repository 7 is looked at (delivery d-1)"]


def test_a_forged_one_does_nothing() -> None:
    """S1."""
    heard = Heard()
    assert not heard.send("pull_request", LABELED, secret=b"loud")
    assert not heard.woken.wanted
    assert heard.told() == []


def test_a_replay_is_harmless() -> None:
    """L1, S1: thanked for, and forgotten."""
    heard = Heard()
    for _ in range(5):
        assert heard.send("pull_request", LABELED)
    assert len(heard.told()) == 1


@pytest.mark.parametrize(
    ("event", "data", "woken"),
    [
        ("ping", {"zen": "x"}, Look()),
        ("installation_repositories", {"action": "added"}, EVERYTHING),
        ("repository", {"repository": {"id": 7}}, EVERYTHING),
        ("push", {"repository": {"id": 7}, "ref": "refs/heads/x"}, Look(True, frozenset({7}))),
        ("star", {"repository": {"id": 7}}, Look()),
        ("push", [], Look()),
        ("pull_request", dated("2026-02-20T00:00:00Z"), Look()),
        ("pull_request", dated("soon"), THAT_ONE),
        ("pull_request", dated("2026-01-01T00:00:00"), THAT_ONE),
    ],
    ids=["ping", "installed", "repository", "push", "not ours", "no object", "old", "no date", "no zone"],
)  # fmt: skip
def test_whom_it_wakes(event: str, data: Any, woken: Look) -> None:
    """L1: an old one tells nothing new; what cannot be understood wakes nobody, or all that it may mean."""
    heard = Heard()
    assert heard.send(event, data)
    assert heard.woken == woken


def test_it_takes_less_than_ten_milliseconds() -> None:
    """Issue 5: the answer is quick because nothing is done. CPU time, of a payload larger than GitHub's usual ones."""
    heard = Heard()
    body = json.dumps({**LABELED, "filler": ["x" * 100] * 2000}).encode()
    signature = webhooks.sign(SECRET, body)
    took = []
    for number in range(50):
        begun = time.process_time()
        assert heard.hook.received(Delivery("pull_request", body, signature, str(number)))
        took.append(time.process_time() - begun)
    assert len(body) > 200_000
    assert statistics.median(took) < 0.010


async def test_nobody_listens() -> None:
    """`eph webhook test` says so, and what the Git host tells of its own."""
    hooks = Hooks(("https://eph.example/hook",), (Past("g", "push", "2026-03-02T11:00:00Z", "502 failed"),))
    found = await Heard(hooks=hooks).hook.test()
    assert (found.status, found.arrived) == (0, False)
    assert "does not answer" in found.message
    assert found.deliveries == ("2026-03-02T11:00:00Z push: 502 failed",)


@pytest.mark.parametrize(
    ("status", "arrived", "part"),
    [(202, True, "it arrived"), (202, False, "another Eph"), (401, False, "another secret"), (301, False, "redirect"),
     (404, False, "does not let POST")],
)  # fmt: skip
def test_what_came_of_it_in_words(status: int, arrived: bool, part: str) -> None:
    assert part in _verdict(status, arrived, public=True)


async def test_a_ping_to_ourselves_arrives() -> None:
    """S1: through the API as GitHub's would; only an admin may ask for it."""
    heard = Heard()
    settings = api_settings(webhook=heard.hook.received, webhook_test=heard.hook.test)
    with serve(create_app(FakeDesk(), settings)) as url:
        heard.hook._way = Way(SECRET, url.removeprefix("http://"), "", lambda: NO_HOOKS)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            path = "/api/v1/webhooks/github/test"
            asked = {role: {"Authorization": f"Bearer {token}"} for role, token in TOKENS.items()}
            assert (await client.post(path, headers=asked["developer"])).status_code == 403
            found = (await client.post(path, headers=asked["admin"])).json()
    assert (found["status"], found["arrived"]) == (202, True)
    assert "set forge.webhook_url" in found["message"]
    assert "Eph looks every interval anyway" in found["note"]
    assert heard.told()[0].startswith("ping: the Git host asks whether we hear (delivery eph-test-")
