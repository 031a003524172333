"""Who can do what. Row: S1 (tokens hashed at rest, roles)."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from orchestrator.auth.identities import Role
from orchestrator.auth.local_token import local_token
from orchestrator.auth.tokens import Token
from orchestrator.service.fake import START, FakeEnvironmentService
from tests.surfaces.api_server import TOKENS

ROLES = ("nobody", "viewer", "developer", "admin")
ONE = "/api/v1/environments/shop-gentle-stream-42"
# The minimum role for each call. "" is open to everyone.
MATRIX = [
    ("GET", "/healthz", ""),
    ("GET", "/readyz", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/metrics", "viewer"),
    ("GET", "/api/v1/status", "viewer"),
    ("GET", "/api/v1/whoami", "viewer"),
    ("GET", "/api/v1/environments", "viewer"),
    ("GET", ONE, "viewer"),
    ("GET", f"{ONE}/why", "viewer"),
    ("GET", f"{ONE}/logs", "viewer"),
    ("GET", f"{ONE}/logs/stream", "viewer"),
    ("GET", "/api/v1/events", "viewer"),
    ("POST", f"{ONE}/up", "developer"),
    ("POST", f"{ONE}/down", "developer"),
    ("POST", f"{ONE}/extend", "developer"),
    ("POST", "/api/v1/wake", "developer"),
    ("GET", "/api/v1/audit", "developer"),
    ("POST", "/api/v1/sweep", "admin"),
    ("POST", "/api/v1/sweep?dry_run=true", "admin"),
    ("POST", "/api/v1/plans/abcdef0123/approve", "admin"),
    ("POST", "/api/v1/resume", "admin"),
]
Client = Callable[[str], httpx.Client]


def test_the_whole_matrix(as_role: Client, desk: FakeEnvironmentService) -> None:
    for role in ROLES:
        client = as_role(role)
        for method, path, least in MATRIX:
            desk.held_plans.add("abcdef0123")
            status = client.request(method, path, json={"seconds": 60} if path.endswith("extend") else None).status_code
            if not least or ROLES.index(role) >= ROLES.index(least):
                assert status in (200, 202), (role, path, status)
            else:
                assert status == (401 if role == "nobody" else 403), (role, path, status)


def test_unauthorized_actions_do_nothing(as_role: Client, desk: FakeEnvironmentService) -> None:
    as_role("nobody").post(f"{ONE}/down")
    as_role("viewer").post(f"{ONE}/down")
    as_role("developer").post("/api/v1/sweep")
    assert desk.calls == []


def test_unknown_name_is_hidden_without_permission_to_read(as_role: Client) -> None:
    answer = as_role("nobody").get("/api/v1/environments/none")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "EPH_TOKEN" in answer.json()["error"]["hint"]


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic abc", "Bearer " + "x" * 4000, "é"])
def test_invalid_header_is_unauthenticated(url: str, header: str) -> None:
    answer = httpx.get(f"{url}/api/v1/status", headers={b"Authorization": header.encode()}, trust_env=False)
    assert answer.status_code == 401


@pytest.mark.parametrize("overrides", [{"public_reads": True}])
def test_public_reads_opens_reading_only(as_role: Client) -> None:
    nobody = as_role("nobody")
    assert nobody.get("/api/v1/environments").status_code == 200
    assert nobody.post(f"{ONE}/down").status_code == 401


def test_only_the_hash_of_a_token_is_stored() -> None:
    token = Token.from_secret(TOKENS["admin"], "me", Role.ADMIN)
    assert TOKENS["admin"] not in repr(token)


def test_local_token_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    first = local_token(tmp_path)
    path = tmp_path / "keys" / "api.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert local_token(tmp_path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("\n")
    with pytest.raises(ValueError, match="Delete the file"):
        local_token(tmp_path)


def sign_in(client: httpx.Client, url: str, role: str, to: str = "/") -> httpx.Response:
    return client.post("/login", data={"token": TOKENS[role], "to": to}, headers={"Origin": url})


class TestBrowser:
    """The session cookie: created from a token, worth no more than it, and useless to another site."""

    def test_signing_in_opens_the_pages(self, as_role: Client, url: str) -> None:
        browser = as_role("nobody")
        assert "Sign in" in browser.get("/").text
        answer = sign_in(browser, url, "viewer")
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKENS["viewer"] not in cookie
        assert "shop-gentle-stream-42" in browser.get("/").text
        assert browser.get("/api/v1/status").status_code == 200

    def test_signing_in_returns_to_the_page_that_asked_for_it(self, as_role: Client, url: str) -> None:
        browser = as_role("nobody")
        page = "/e/shop-gentle-stream-42"
        assert f'name="to" value="{page}"' in browser.get(page).text
        assert sign_in(browser, url, "viewer", page).headers["location"] == page

    @pytest.mark.parametrize("to", ["//evil.test/", "https://evil.test/", "/\\evil.test", "evil"])
    def test_signing_in_never_leads_to_another_site(self, as_role: Client, url: str, to: str) -> None:
        assert sign_in(as_role("nobody"), url, "viewer", to).headers["location"] == "/"

    def test_link_with_a_token_removes_it_from_the_address(self, as_role: Client) -> None:
        answer = as_role("nobody").get("/", params={"token": TOKENS["admin"]})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"

    @pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 303)])
    def test_another_site_cannot_sign_people_in_with_its_token(self, as_role: Client, site: str, status: int) -> None:
        answer = as_role("nobody").get("/", params={"token": TOKENS["admin"]}, headers={"Sec-Fetch-Site": site})
        assert (answer.status_code, "set-cookie" in answer.headers) == (status, status == 303)

    def test_wrong_token_is_reported(self, as_role: Client, url: str) -> None:
        answer = as_role("nobody").post("/login", data={"token": "nope"}, headers={"Origin": url})
        assert answer.status_code == 401
        assert "Invalid token" in answer.text

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Origin": "null"},
            {"Origin": "http://shop.localhost:8080"},
            {"Origin": "SELF", "Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_another_site_cannot_use_the_cookie(
        self, as_role: Client, url: str, desk: FakeEnvironmentService, headers: dict[str, str]
    ) -> None:
        browser = as_role("nobody")
        sign_in(browser, url, "admin")
        sent = {name: value.replace("SELF", url) for name, value in headers.items()}
        for path in (f"{ONE}/down", "/e/shop-gentle-stream-42/down", "/api/v1/sweep", "/logout", "/login"):
            assert browser.post(path, headers=sent).status_code == 403, path
        assert desk.calls == []

    def test_our_own_page_can_use_the_cookie(self, as_role: Client, url: str, desk: FakeEnvironmentService) -> None:
        browser = as_role("nobody")
        sign_in(browser, url, "developer")
        answer = browser.post("/e/shop-gentle-stream-42/down", headers={"Origin": url, "Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303
        assert desk.calls == [("down", "shop-gentle-stream-42", "developer-name")]

    def test_viewer_sees_no_buttons_and_gets_403(self, as_role: Client, url: str) -> None:
        browser = as_role("nobody")
        sign_in(browser, url, "viewer")
        assert "Take down" not in browser.get("/e/shop-gentle-stream-42").text
        answer = browser.post("/e/shop-gentle-stream-42/down", headers={"Origin": url})
        assert answer.status_code == 403

    def test_tampered_or_expired_cookie_is_unauthenticated(self, as_role: Client, url: str) -> None:
        browser = as_role("nobody")
        sign_in(browser, url, "viewer")
        until, digest, signature = browser.cookies["eph_session"].split(".")
        browser.cookies.clear()
        later = int((START + timedelta(days=9)).timestamp())
        earlier = int((START - timedelta(days=9)).timestamp())
        for value in (
            f"{later}.{digest}.{signature}",
            f"{earlier}.{digest}.{signature}",
            f"{until}.{digest}.",
            "x",
            "",
        ):
            answer = browser.get("/api/v1/status", headers={"Cookie": f"eph_session={value}"})
            assert answer.status_code == 401, value
        good = browser.get("/api/v1/status", headers={"Cookie": f"eph_session={until}.{digest}.{signature}"})
        assert good.status_code == 200

    def test_signing_out(self, as_role: Client, url: str) -> None:
        browser = as_role("nobody")
        sign_in(browser, url, "viewer")
        browser.post("/logout", headers={"Origin": url})
        assert browser.get("/api/v1/status").status_code == 401
