"""A token for some repositories reveals and changes nothing of the others. Row: S1 (scoped tokens)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from orchestrator.auth.fake import MemoryTokens
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.token_service import TokenRequest, TokenService
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from orchestrator.surfaces.api.app import create_app
from tests.mcp_client import connected
from tests.surfaces.api_server import TOKENS, api_settings, serve

OURS, THEIRS = "api-gentle-stream-3", "shop-gentle-stream-42"
THEIR_NAMES = (THEIRS, "demo/shop#42", "eph-shop-9ix/pr-42", f"{THEIRS}.localhost", THEIRS.upper())
ADMIN = Caller("ada", Role.ADMIN, person="ada")


@pytest.fixture
def desk() -> FakeEnvironmentService:
    return FakeEnvironmentService(sample(42), sample(3, repository="demo/api"))


@pytest.fixture
def tokens() -> TokenService:
    return TokenService(MemoryTokens(), MemoryLedger().record, lambda: START)


@pytest.fixture
def url(desk: FakeEnvironmentService, tokens: TokenService) -> Iterator[str]:
    with serve(create_app(desk, api_settings(token_service=tokens))) as address:
        yield address


@pytest.fixture
def scoped(url: str, tokens: TokenService) -> Iterator[httpx.Client]:
    """An admin's token, restricted to the repository demo/api."""
    request = TokenRequest(Role.ADMIN, timedelta(days=1), repositories=("Demo/API",))
    headers = {"Authorization": f"Bearer {tokens.create(request, ADMIN).secret}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


def operations(client: httpx.Client) -> list[tuple[str, str]]:
    """Every operation that the API documents."""
    paths = client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def body_for(path: str) -> dict[str, Any] | None:
    if path.endswith("/extend"):
        return {"seconds": 60}
    if path.endswith("/exec"):
        return {"command": ["ls"]}
    if path.endswith("/runs"):
        return {"job": "orders"}
    if path.endswith("/env"):
        return {"set": [{"name": "COLOUR", "value": "green"}]}
    return {"commit": "2a" * 20} if path.endswith("/approve") and "environments" in path else None


def test_every_documented_operation_hides_another_repository(
    scoped: httpx.Client, desk: FakeEnvironmentService
) -> None:
    tried = 0
    for method, path in operations(scoped):
        if "{name}" not in path:
            continue
        for name in THEIR_NAMES:
            target = path.replace("{name}", name.replace("/", "%2F").replace("#", "%23"))
            answer = scoped.request(method, target, json=body_for(path))
            assert answer.status_code == 404, (method, target, answer.text)
            found = answer.json()["error"]
            assert "shop" not in found["hint"], found
            tried += 1
    assert tried >= 60
    assert desk.calls == []


def test_the_same_operations_work_on_its_own_repository(scoped: httpx.Client) -> None:
    for method, path in operations(scoped):
        if "{name}" in path and not any(part in path for part in ("stream", "approve", "exec", "{file}")):
            answer = scoped.request(method, path.replace("{name}", OURS), json=body_for(path))
            assert answer.status_code in (200, 202), (method, path, answer.text)


def test_lists_contain_its_own_repository_only(scoped: httpx.Client) -> None:
    page = scoped.get("/api/v1/environments").json()
    assert ([item["name"] for item in page["items"]], page["total"]) == ([OURS], 1)
    assert scoped.get("/api/v1/environments", params={"repository": "demo/shop"}).json()["items"] == []
    status = scoped.get("/api/v1/status").json()
    assert (status["environments"], status["notes"]) == (1, [])
    front = scoped.get("/").text
    assert (OURS in front, THEIRS in front) == (True, False)
    assert scoped.get(f"/e/{THEIRS}").status_code == 404


def test_events_of_other_repositories_are_left_out(
    scoped: httpx.Client, desk: FakeEnvironmentService, admin_client: httpx.Client
) -> None:
    for name in (*[THEIRS] * 5, OURS, *[THEIRS] * 5):
        admin_client.post(f"/api/v1/environments/{name}/up")
    for query in ({}, {"newest": True}, {"limit": 1}):
        items = scoped.get("/api/v1/events", params=query).json()["items"]
        assert {item["subject"] for item in items} <= {"eph-api-9ix/pr-3"}, query
    assert scoped.get("/api/v1/events", params={"limit": 1}).json()["items"], "must not look like the end"
    assert scoped.get("/api/v1/events", params={"environment": "eph-shop-9ix/pr-42"}).status_code == 404


@pytest.fixture
def admin_client(url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKENS['admin']}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/audit"),
        ("POST", "/api/v1/sweep"),
        ("POST", "/api/v1/sweep?dry_run=true"),
        ("POST", "/api/v1/plans/abcdef0123/approve"),
        ("POST", "/api/v1/pause"),
        ("POST", "/api/v1/resume"),
        ("POST", "/api/v1/webhooks/github/test"),
        ("GET", "/metrics"),
    ],
)
def test_what_concerns_the_whole_service_is_refused(
    scoped: httpx.Client, desk: FakeEnvironmentService, method: str, path: str
) -> None:
    desk.held_plans.add("abcdef0123")
    answer = scoped.request(method, path)
    assert (answer.status_code, "restricted to Demo/API" in answer.text) == (403, True)
    assert desk.calls == []


def test_restricted_admin_cannot_widen_the_token(scoped: httpx.Client) -> None:
    assert scoped.post("/api/v1/tokens", json={"service": "ci", "role": "viewer"}).status_code == 403
    assert scoped.post("/api/v1/tokens", json={"repositories": ["*/*"]}).status_code == 403
    created = scoped.post("/api/v1/tokens", json={"role": "admin"}).json()
    assert created["token"]["repositories"] == ["Demo/API"]


def test_tokens_over_http(admin_client: httpx.Client, url: str) -> None:
    made = admin_client.post("/api/v1/tokens", json={"service": "ci", "role": "viewer", "label": "nightly"})
    assert made.status_code == 201
    secret, token = made.json()["secret"], made.json()["token"]
    assert (token["owner"], token["kind"], token["label"]) == ("service:ci", "service", "nightly")
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        me = client.get("/api/v1/whoami").json()
        assert (me["name"], me["role"], me["token"]) == ("service:ci", "viewer", token["id"])
        assert client.get("/api/v1/tokens").json()["items"] == []
        assert client.post("/api/v1/tokens", json={}).status_code == 403
        assert client.delete(f"/api/v1/tokens/{token['id']}").status_code == 404
        assert secret not in admin_client.get("/api/v1/tokens").text
        assert admin_client.delete(f"/api/v1/tokens/{token['id']}").status_code == 200
        assert client.get("/api/v1/whoami").status_code == 401
    assert admin_client.delete(f"/api/v1/tokens/{token['id']}").status_code == 404


def test_while_the_database_is_down_only_the_servers_own_token_works(
    desk: FakeEnvironmentService,
) -> None:
    store = MemoryTokens()
    service = TokenService(store, MemoryLedger().record, lambda: START)
    secret = service.create(TokenRequest(Role.ADMIN, timedelta(days=1)), ADMIN).secret
    store.available = False
    with serve(create_app(desk, api_settings(token_service=service))) as address:
        for token, expected in ((TOKENS["admin"], 200), (secret, 503), ("unknown", 503)):
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{address}/api/v1/status", headers=headers, trust_env=False).status_code == expected


async def test_a_limit_of_deploys_holds_for_the_api_and_for_agents(
    url: str, tokens: TokenService, desk: FakeEnvironmentService
) -> None:  # P11
    request = TokenRequest(Role.DEVELOPER, timedelta(days=1), service="agent", max_deploys=1)
    secret = tokens.create(request, ADMIN).secret
    async with connected(url, secret) as agent:
        await agent.call("create_environment", label="one", ref="feat")
        refused = await agent.call("create_environment", label="two", ref="feat")
    assert refused["reason"] == "too-many-deploys"
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        assert (await client.post("/api/v1/deploys", json={"label": "two", "ref": "feat"})).status_code == 409
        assert (await client.get("/api/v1/whoami")).json()["max_deploys"] == 1
    assert len(desk.deploys) == 1


def test_only_a_positive_limit_of_deploys_is_stored(url: str, tokens: TokenService) -> None:
    headers = {"Authorization": f"Bearer {tokens.create(TokenRequest(Role.ADMIN, timedelta(days=1)), ADMIN).secret}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        assert client.post("/api/v1/tokens", json={"max_deploys": -1}).status_code == 422
        made = client.post("/api/v1/tokens", json={"max_deploys": 2}).json()["token"]
        assert made["max_deploys"] == 2
        assert "at most 2" in client.get("/tokens").text
