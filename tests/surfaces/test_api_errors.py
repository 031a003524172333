"""Errors have one shape and say what to do. Rows: P7, S1."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import httpx
import pytest

from orchestrator.forges.webhooks import WebhookRequest
from orchestrator.service.fake import FakeEnvironmentService

SECRET = b"webhook secret"
SEEN: list[str] = []


def check(request: WebhookRequest) -> bool:
    expected = "sha256=" + hmac.new(SECRET, request.body, hashlib.sha256).hexdigest()
    good = hmac.compare_digest(expected, request.headers.get("x-hub-signature-256", ""))
    if good:
        SEEN.append(request.headers["x-github-event"])
    return good


def sign(body: bytes) -> dict[str, str]:
    return {
        "X-GitHub-Event": "pull_request",
        "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
    }


def detail(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "hint"}
    return dict(body["error"])


def test_unknown_name_suggests_the_nearest_ones(admin: httpx.Client) -> None:
    error = detail(admin.get("/api/v1/environments/shop-gentle-steam-42"), 404)
    assert error["code"] == "not_found"
    assert "shop-gentle-stream-42" in error["hint"]
    for path in ("why", "logs", "logs/stream"):
        assert detail(admin.get(f"/api/v1/environments/none/{path}"), 404)["code"] == "not_found"
    for path in ("", "/stream"):
        assert detail(admin.get(f"/api/v1/events{path}?environment=none"), 404)["code"] == "not_found"
    for path in ("up", "down"):
        assert detail(admin.post(f"/api/v1/environments/none/{path}"), 404)["code"] == "not_found"


def test_rejection_is_409_with_the_reason(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.refusal = "It is being destroyed; wait until that is done."
    error = detail(admin.post("/api/v1/environments/demo%2Fshop%2342/up"), 409)
    assert error == {"code": "refused", "message": desk.refusal, "hint": ""}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/environments?limit=0",
        "/api/v1/environments?limit=501",
        "/api/v1/environments?phase=happy",
        "/api/v1/environments?cursor=%F0%9F%92%A9",
        "/api/v1/environments?cursor=WzFd",
        "/api/v1/environments/x/logs?lines=-1",
        "/api/v1/events?after=-1",
        "/api/v1/events?after=99999999999999999999",
        "/api/v1/environments/" + "x" * 301,
    ],
)
def test_invalid_input_is_422_in_the_same_shape(admin: httpx.Client, path: str) -> None:
    assert detail(admin.get(path), 422)["code"] == "invalid"


@pytest.mark.parametrize("body", [b"", b"{", b'{"seconds": 0}', b'{"seconds": "x"}', b"[" * 10000])
def test_invalid_body_is_422(admin: httpx.Client, body: bytes) -> None:
    answer = admin.post(
        "/api/v1/environments/shop-gentle-stream-42/extend",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert detail(answer, 422)["code"] == "invalid"


def test_unknown_paths_and_methods(admin: httpx.Client) -> None:
    assert detail(admin.get("/api/v1/nothing"), 404)["code"] == "not_found"
    assert detail(admin.delete("/api/v1/status"), 405)["code"] == "method_not_allowed"


def test_internal_error_is_500_and_reveals_nothing(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    desk.status_error = RuntimeError("postgresql://user:hunter2@db")
    answer = admin.get("/api/v1/status")
    assert detail(answer, 500)["code"] == "internal"
    assert "hunter2" not in answer.text


def test_too_large_body_is_413_declared_or_not(admin: httpx.Client) -> None:
    path = "/api/v1/environments/shop-gentle-stream-42/extend"
    assert detail(admin.post(path, content=b"x" * 70_000), 413)["code"] == "too_large"

    def pieces() -> Iterator[bytes]:
        for _ in range(10):
            yield b"x" * 10_000

    assert detail(admin.post(path, content=pieces()), 413)["code"] == "too_large"


@pytest.mark.parametrize("overrides", [{"webhook": check}])
class TestWebhooks:
    """L1: a webhook only triggers a cycle; S1: it is verified."""

    def test_signed_webhook_is_accepted_without_a_token(self, url: str) -> None:
        SEEN.clear()
        body = b'{"action": "labeled"}'
        answer = httpx.post(f"{url}/api/v1/webhooks/github", content=body, headers=sign(body), trust_env=False)
        assert answer.status_code == 202
        assert SEEN == ["pull_request"]

    def test_forged_webhook_is_401(self, url: str) -> None:
        SEEN.clear()
        for headers in (sign(b"another body"), {"X-GitHub-Event": "push"}):
            answer = httpx.post(f"{url}/api/v1/webhooks/github", content=b"{}", headers=headers, trust_env=False)
            assert detail(answer, 401)["code"] == "unauthorised"
        assert SEEN == []

    def test_one_megabyte_is_accepted_and_more_is_not(self, url: str) -> None:
        for size, status in ((1024 * 1024, 202), (1024 * 1024 + 1, 413)):
            body = b"x" * size
            answer = httpx.post(f"{url}/api/v1/webhooks/github", content=body, headers=sign(body), trust_env=False)
            assert answer.status_code == status


def test_without_a_secret_there_are_no_webhooks(admin: httpx.Client) -> None:
    assert "webhook secret" in detail(admin.post("/api/v1/webhooks/github", content=b"{}"), 404)["hint"]
