"""``eph auth``: the device flow over a real server, with a browser at a provider that we didn't write. Rows: S1, P5."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from orchestrator.auth.identities import Role
from orchestrator.cli import credentials
from orchestrator.cli.main import app
from tests.auth.conftest import SignInWorld
from tests.auth.identity_provider import ADA, GRACE, Browser
from tests.surfaces.api_server import TOKENS

pytestmark = pytest.mark.real
Run = Callable[..., Result]
_CODE = re.compile(r"the code ([A-Z]{4}-[A-Z]{4})")


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("EPH_URL", "EPH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config"


@pytest.fixture
def eph() -> Run:
    def run(*args: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, list(args), input=typed)

    return run


def start_login(world: SignInWorld, config: Path) -> tuple[subprocess.Popen[str], str]:
    """A client that waits for its confirmation, and the code that it shows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli.main", "auth", "login", world.provider.eph_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CONFIG_HOME": str(config)},
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    match = _CODE.search(line)
    assert match, line + process.stderr.read()
    return process, match[1]


def decide(browser: Browser, code: str, decision: str = "approve") -> httpx.Response:
    return browser.post("/device", code=code, decision=decision)


@pytest.mark.long
def test_login_in_the_browser_then_work_then_logout(world: SignInWorld, config: Path, eph: Run) -> None:
    process, code = start_login(world, config)
    browser = world.new_browser()
    browser.sign_in(GRACE, to="/device")
    assert f"as\n<b>{GRACE}</b>" in browser.get(f"/device?code={code.lower().replace('-', ' ')}").text
    assert "The client is signed in" in decide(browser, code).text
    out, err = process.communicate(timeout=30)
    assert (process.returncode, f"as {GRACE} (developer)" in out) == (0, True), err
    secret = credentials.token_for(world.provider.eph_url)
    assert secret not in out + err
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600

    assert eph("sleep", "shop-gentle-stream-42").exit_code == 0
    assert world.desk.calls == [("sleep", "shop-gentle-stream-42", GRACE)]
    assert GRACE in eph("auth", "status").output
    assert eph("auth", "logout").exit_code == 0
    headers = {"Authorization": f"Bearer {secret}"}
    answer = httpx.get(f"{world.provider.eph_url}/api/v1/whoami", headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 401
    assert json.loads(credentials.path().read_text()) == {"servers": {}}


def test_refused_client_gets_nothing(world: SignInWorld, config: Path) -> None:
    process, code = start_login(world, config)
    browser = world.new_browser()
    browser.sign_in(GRACE)
    decide(browser, code, "refuse")
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "refused in the browser" in err) == (6, True)
    assert not credentials.path().exists()


class TestAttacks:
    def start(self, world: SignInWorld) -> tuple[str, str]:
        answer = httpx.post(
            f"{world.provider.eph_url}/api/v1/auth/device", json={"label": "<b>x</b>\n"}, trust_env=False, timeout=60
        ).json()
        return answer["device_code"], answer["user_code"]

    def fetch(self, world: SignInWorld, code: str) -> httpx.Response:
        return httpx.post(
            f"{world.provider.eph_url}/api/v1/auth/device/token",
            json={"device_code": code},
            trust_env=False,
            timeout=60,
        )

    def test_only_a_person_on_our_own_page_confirms(self, world: SignInWorld) -> None:
        device, code = self.start(world)
        form, url = {"code": code, "decision": "approve"}, f"{world.provider.eph_url}/device"
        browser = world.new_browser()
        browser.sign_in(GRACE)
        for origin in ("http://shop.localhost:8080", "null"):
            assert browser.http.post(url, data=form, headers={"Origin": origin}).status_code == 403
        assert browser.http.post(url, data=form).status_code == 403
        nobody = httpx.post(url, data=form, headers={"Origin": world.provider.eph_url}, trust_env=False, timeout=60)
        assert nobody.status_code == 401
        service = {"Origin": world.provider.eph_url, "Authorization": f"Bearer {TOKENS['admin']}"}
        assert httpx.post(url, data=form, headers=service, trust_env=False, timeout=60).status_code == 403
        assert self.fetch(world, device).json()["state"] == "pending"

    def test_token_is_fetched_once_and_needs_the_secret_code(self, world: SignInWorld) -> None:
        device, code = self.start(world)
        browser = world.new_browser()
        browser.sign_in(GRACE)
        decide(browser, code)
        assert self.fetch(world, code).status_code == 409
        assert self.fetch(world, device).json()["state"] == "approved"
        assert self.fetch(world, device).status_code == 409

    def test_code_expires_and_unknown_ones_reveal_nothing(self, world: SignInWorld) -> None:
        device, code = self.start(world)
        browser = world.new_browser()
        browser.sign_in(GRACE)
        assert "no client with this code" in browser.get("/device?code=BBBB-BBBB").text
        world.clock.offset = timedelta(minutes=11)
        assert decide(browser, code).status_code == 404
        assert self.fetch(world, device).status_code == 409

    def test_label_cannot_inject_markup(self, world: SignInWorld) -> None:
        _, code = self.start(world)
        browser = world.new_browser()
        browser.sign_in(GRACE)
        page = browser.get(f"/device?code={code}").text
        assert ("<b>x</b>" in page, "&lt;b&gt;x" in page) == (False, True)

    def test_number_of_waiting_clients_is_bounded(self, world: SignInWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("orchestrator.auth.device_flow.MAX_PENDING_PER_CLIENT", 2)
        url = f"{world.provider.eph_url}/api/v1/auth/device"
        statuses = [httpx.post(url, json={}, trust_env=False, timeout=60).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        world.clock.offset = timedelta(minutes=11)
        assert httpx.post(url, json={}, trust_env=False, timeout=60).status_code == 200


def test_tokens_are_created_listed_and_revoked(world: SignInWorld, eph: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPH_URL", world.provider.eph_url)
    admin = world.tokens.issue_client_token(world.tokens.start_session(ADA, Role.ADMIN).caller, "test")
    login = eph("auth", "login", "--with-token", typed=f"{admin.secret}\n")
    assert (login.exit_code, f"as {ADA} (admin)" in login.output) == (0, True)
    restricted = ("--role", "developer", "-r", "demo/api", "--expires", "7d", "--max-deploys", "3")
    made = eph("auth", "token", "create", "--service", "ci", *restricted)
    assert made.exit_code == 0, made.output
    secret = made.output.split("\n")[0]
    assert secret.startswith("eph_")
    listed = json.loads(eph("auth", "keys", "list", "-o", "json").stdout)
    mine = next(item for item in listed if item["owner"] == "service:ci")
    assert (mine["role"], mine["repositories"], mine["max_deploys"]) == ("developer", ["demo/api"], 3)
    assert secret not in json.dumps(listed)
    monkeypatch.setenv("EPH_TOKEN", secret)
    names = [item["name"] for item in json.loads(eph("list", "-o", "json").stdout)]
    assert names == ["api-gentle-stream-3"]
    monkeypatch.delenv("EPH_TOKEN")
    assert eph("auth", "token", "revoke", mine["id"]).exit_code == 0
    monkeypatch.setenv("EPH_TOKEN", secret)
    assert eph("list").exit_code == 3


def test_wrong_token_is_not_stored(world: SignInWorld, eph: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPH_URL", world.provider.eph_url)
    assert eph("auth", "login", "--with-token", typed="eph_wrong\n").exit_code == 3
    assert not credentials.path().exists()


def test_everything_of_a_person_is_revoked_at_once(
    world: SignInWorld, eph: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPH_URL", world.provider.eph_url)
    monkeypatch.setenv("EPH_TOKEN", TOKENS["admin"])
    session = world.tokens.start_session(GRACE, Role.DEVELOPER)
    world.tokens.issue_client_token(session.caller, "laptop")
    others = world.tokens.start_session(ADA, Role.ADMIN)
    assert (
        eph("auth", "token", "revoke").exit_code == eph("auth", "token", "revoke", "x", "--owner", "y").exit_code == 2
    )
    assert eph("auth", "token", "revoke", "--owner", GRACE).exit_code == 0
    assert [token.owner for token in world.store.all() if token.revoked_at is None] == [ADA]
    assert world.tokens.find(others.sha256) is not None
    assert eph("auth", "token", "revoke", "--owner", GRACE).exit_code == 4
