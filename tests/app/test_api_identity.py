"""The composed API knows people: with the settings of a server, and tokens in its database. Rows: S1, S5."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aiohttp import web

from orchestrator.app import outside
from orchestrator.app.api import create_api
from orchestrator.app.compose import compose
from orchestrator.auth import preview_tokens
from orchestrator.auth.identities import Role
from orchestrator.auth.sharing.fake import MemoryShareLinks
from orchestrator.auth.sql_tokens import SqlTokens
from orchestrator.auth.token_service import TokenService
from orchestrator.config.settings.loading import load
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.model.policy import Policy
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime.server.gateway_process import GatewaySpec
from programs.spec import EnvironmentSpec, GitSource
from stacks.backends.fake import FakeBackend
from stacks.backends.inventory import StackInventory
from tests.surfaces.api_server import serve
from tests.worlds.composition import fake_options, fake_ports

AUTH = {
    "provider": "forge",
    "url": "https://eph.example.com",
    "client_id": "eph",
    "client_secret": "a-client-secret",
    "viewers": "acme",
}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return load(home=tmp_path, auth=AUTH, previews={"sign_in": "asked"})


@pytest.fixture
def url(settings: ServerSettings) -> Iterator[str]:
    """ephd's API, started anew by each use of the database."""
    store = SqlTokens(settings.ledger_database_url)
    system = compose(fake_ports(now), fake_options(Policy(), {}))
    with serve(create_api(settings, system, store, MemoryShareLinks())) as address:  # type: ignore[arg-type]  # it is a FastAPI app
        yield address
    store.close()


def test_dashboard_offers_the_git_hosts_accounts(url: str) -> None:
    page = httpx.get(f"{url}/", trust_env=False).text
    assert "Sign in with GitHub" in page
    answer = httpx.get(f"{url}/auth/sign-in", trust_env=False)
    assert answer.headers["location"] == "https://eph.example.com/auth/sign-in?to=/"
    started = httpx.get(f"{url}/auth/sign-in", headers={"Host": "eph.example.com"}, trust_env=False)
    target = urlsplit(started.headers["location"])
    query = {key: values[0] for key, values in parse_qs(target.query).items()}
    assert f"{target.scheme}://{target.netloc}{target.path}" == "https://github.com/login/oauth/authorize"
    assert query["redirect_uri"] == "https://eph.example.com/auth/callback"
    assert (query["code_challenge_method"], query["client_id"]) == ("S256", "eph")
    assert "a-client-secret" not in started.headers["location"]


def test_tokens_outlive_a_restart(url: str, settings: ServerSettings) -> None:
    local = (settings.keys_dir / "api.token").read_text().strip()
    made = httpx.post(
        f"{url}/api/v1/tokens", json={"service": "ci"}, headers={"Authorization": f"Bearer {local}"}, trust_env=False
    )
    again = SqlTokens(settings.ledger_database_url)
    service = TokenService(again, MemoryLedger().record, now)
    assert [(token.owner, token.role) for token in again.all()] == [("service:ci", Role.VIEWER)]
    assert service.find(again.all()[0].sha256) is not None
    again.close()
    me = httpx.get(
        f"{url}/api/v1/whoami", headers={"Authorization": f"Bearer {made.json()['secret']}"}, trust_env=False
    )
    assert me.json()["name"] == "service:ci"


def test_gateway_learns_where_people_sign_in(settings: ServerSettings, tmp_path: Path) -> None:
    command = GatewaySpec.from_settings(settings).command
    assert command[command.index("--people-url") + 1] == "https://eph.example.com"
    key = Path(command[command.index("--people-key") + 1])
    assert key.read_bytes().hex() not in " ".join(command)
    assert "--people-url" not in GatewaySpec.from_settings(load(home=tmp_path / "other")).command


async def test_suites_and_health_checks_get_no_token_of_other_previews(settings: ServerSettings) -> None:
    spec = EnvironmentSpec(
        "shop-1", "shop-1.localhost", "local", "shop", GitSource("https://git.example/acme/shop", "c" * 40, "b"), ()
    )
    suite_token = outside.create_options(settings, StackInventory(FakeBackend())).suite_token
    shared = preview_tokens.preview_token(settings.keys_dir)
    derived = preview_tokens.host_token(shared.encode(), "shop-1.localhost")
    assert suite_token(spec) == ""
    assert suite_token(dataclasses.replace(spec, sign_in=True)) == derived
    received: list[str] = []

    async def upstream(request: web.BaseRequest) -> web.Response:
        received.append(request.headers["X-Eph-Preview-Token"])
        return web.Response()

    runner = web.ServerRunner(web.Server(upstream))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    probe = outside.create_probe(settings.model_copy(update={"gateway_listen": f"{host}:{port}"}))
    try:
        await probe("http://shop-1.localhost", "/")
        await probe("http://api--shop-1.localhost", "/")
    finally:
        await probe.close()
        await runner.cleanup()
    assert received == [derived, derived]
