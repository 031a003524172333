"""The Git host's view of its own webhooks, read without changing anything. Rows: L1, O5."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.forges.github.github_forge import AppKey, GitHubForge
from orchestrator.forges.webhooks import PastDelivery
from tests.forges.github.test_client_errors import REPO, Response, ScriptedServer

DELIVERY = {
    "id": 12, "guid": "0b989ba4", "delivered_at": "2026-03-02T11:59:00Z", "redelivery": False, "duration": 0.03,
    "status": "OK", "status_code": 202, "event": "pull_request", "action": "labeled", "installation_id": 1,
}  # fmt: skip
PAST_DELIVERY = PastDelivery("0b989ba4", "pull_request", "2026-03-02T11:59:00Z", "202 OK")
URL = "https://eph.example.com/api/v1/webhooks/github"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    yield made
    made.close()


def test_webhook_of_an_app(server: ScriptedServer) -> None:
    """One webhook for all, read with the App's JWT."""
    answers = {"/app/hook/config": {"url": URL, "secret": "********"}, "/app/hook/deliveries?per_page=10": [DELIVERY]}
    server.script = lambda path: Response(200, answers[path]) if path in answers else Response(404, {})
    forge = GitHubForge(server.url, AppKey("1", rsa_key()), ["ada/shop"], timeout=1)
    found = forge.webhook_status()
    assert (found.urls, found.deliveries, found.note) == ((URL,), (PAST_DELIVERY,), "")
    forge.close()


def test_webhooks_of_a_repository(server: ScriptedServer) -> None:
    """With a token that has admin permission."""
    answers = {
        "/repos/ada/shop": REPO,
        "/repos/ada/shop/hooks": [{"id": 5, "config": {"url": URL}}],
        "/repos/ada/shop/hooks/5/deliveries?per_page=10": [DELIVERY],
    }
    server.script = lambda path: Response(200, answers[path]) if path in answers else Response(404, {})
    forge = GitHubForge(server.url, "t", ["ada/shop"], timeout=1)
    forge.repositories()
    found = forge.webhook_status()
    assert (found.urls, found.deliveries) == ((URL,), (PAST_DELIVERY,))
    forge.close()


def test_missing_permission_is_reported(server: ScriptedServer) -> None:
    """It isn't an error: the ping itself is enough."""
    server.script = lambda path: (
        Response(200, REPO) if path == "/repos/ada/shop" else Response(404, {"message": "Not Found"})
    )
    forge = GitHubForge(server.url, "t", ["ada/shop"], timeout=1)
    forge.repositories()
    found = forge.webhook_status()
    assert (found.urls, found.deliveries) == ((), ())
    assert found.note
    forge.close()


def rsa_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
