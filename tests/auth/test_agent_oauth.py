"""OAuth at /mcp: a client that we didn't write signs in, with a person at a provider that we didn't write. Rows: P11,
S1."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from orchestrator.auth.agent_authorizations import (
    MAX_CODES,
    AgentAuthorizations,
    AgentRequest,
    AuthorizationRefused,
)
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.tokens import hash_token
from orchestrator.service.fake import START
from tests.auth.conftest import SignInWorld
from tests.auth.identity_provider import ADA, GRACE, Browser
from tests.mcp_client import Agent

pytestmark = pytest.mark.real
CALLBACK = "http://127.0.0.1:33418/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
"""The example of RFC 7636."""
_REQUEST = re.compile(r'name="request" value="([^"]+)"')
_ANSWER = re.compile(r'content="0; url=([^"]+)"')


@pytest.fixture(scope="module", autouse=True)
def closed_at_the_end() -> Iterator[None]:
    yield
    direct().close()
    direct.cache_clear()


class Storage:
    """What the official client remembers."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def decide(browser: Browser, url: str, decision: str = "approve") -> dict[str, str]:
    """What the person does on the consent page, and the parameters with which the browser returns to the client."""
    page = browser.get(url)
    found = _REQUEST.search(page.text)
    assert found, page.text
    answer = browser.post("/oauth/consent", request=html.unescape(found[1]), decision=decision)
    to = _ANSWER.search(answer.text)
    assert to, answer.text
    location = html.unescape(to[1])
    assert location.startswith(CALLBACK)
    return {key: values[0] for key, values in parse_qs(urlsplit(location).query).items()}


@asynccontextmanager
async def signed_in_agent(world: SignInWorld, browser: Browser, storage: Storage) -> AsyncIterator[Agent]:
    """The official client, which starts without any token."""
    answers: dict[str, str] = {}

    async def open_browser(url: str) -> None:
        answers.update(decide(browser, url))

    async def answer() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=answers["code"], state=answers.get("state"))

    metadata = OAuthClientMetadata(client_name="Some agent", redirect_uris=[AnyUrl(CALLBACK)])
    url = f"{world.provider.eph_url}/mcp"
    auth = OAuthClientProvider(url, metadata, storage, open_browser, answer)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield Agent(client)


async def test_the_official_client_signs_in_and_acts_as_the_person(world: SignInWorld) -> None:
    browser, storage = world.new_browser(), Storage()
    browser.sign_in(GRACE)
    async with signed_in_agent(world, browser, storage) as agent:
        assert (await agent.call("get_environment", name="shop-gentle-stream-42"))["name"]
        await agent.call("extend", name="shop-gentle-stream-42", seconds=3600)
    assert any(call[0] == "extend" and GRACE in call for call in world.desk.calls), "the audit trail names the person"
    assert storage.tokens is not None
    [token] = [each for each in world.store.all() if each.label == "Some agent"]
    assert (token.owner, token.role, token.sha256) == (GRACE, Role.DEVELOPER, hash_token(storage.tokens.access_token))
    assert ("token.created", GRACE) in world.events()
    assert "Some agent" in browser.get("/tokens").text

    world.tokens.revoke(token.id, world.tokens.start_session(GRACE, Role.DEVELOPER).caller)
    refused = post_mcp(world, storage.tokens.access_token)
    assert refused.status_code == 401


def test_without_a_token_a_client_learns_how_to_get_one(world: SignInWorld) -> None:
    url = world.provider.eph_url
    refused = post_mcp(world, "")
    where = f"{url}/.well-known/oauth-protected-resource/mcp"
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, f'Bearer resource_metadata="{where}"')
    resource = direct().get(where).json()
    assert (resource["resource"], resource["scopes_supported"]) == (f"{url}/mcp", ["viewer", "developer"])
    assert [each.rstrip("/") for each in resource["authorization_servers"]] == [url]
    server = direct().get(f"{url}/.well-known/oauth-authorization-server").json()
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server["token_endpoint"] == f"{url}/oauth/token"


def test_a_code_works_once_for_its_client_with_its_verifier_and_not_for_long(world: SignInWorld) -> None:
    browser = world.new_browser()
    browser.sign_in(ADA)
    client, other = register(world), register(world, name="Other")

    def code() -> str:
        return decide(browser, authorize(world, client))["code"]

    assert decide(browser, authorize(world, client), "refuse") == {"error": "access_denied", "state": "s1"}
    assert exchange(world, other, code()).status_code == 400
    assert exchange(world, client, code(), verifier="x" * 43).status_code == 400
    assert exchange(world, client, code(), redirect_uri="http://127.0.0.1:1/other").status_code == 400
    late = code()
    world.clock.offset = timedelta(minutes=2)
    assert exchange(world, client, late).status_code == 400
    world.clock.offset = timedelta(0)
    good = code()
    first = exchange(world, client, good)
    assert (first.status_code, first.json()["token_type"], first.json()["scope"]) == (200, "Bearer", "developer"), (
        "not admin"
    )
    assert first.json().keys().isdisjoint({"refresh_token"})
    assert exchange(world, client, good).status_code == 400
    assert post_mcp(world, first.json()["access_token"]).status_code == 200


def test_only_a_signed_in_person_on_our_own_page_can_confirm(world: SignInWorld) -> None:
    url = authorize(world, register(world))
    stranger = world.new_browser()
    assert _REQUEST.search(stranger.get(url).text) is None, "signs in first"
    request = parse_qs(urlsplit(url).query)["request"][0]
    assert stranger.post("/oauth/consent", request=request, decision="approve").status_code == 401
    browser = world.new_browser()
    browser.sign_in(GRACE)
    form = {"request": request, "decision": "approve"}
    elsewhere = browser.http.post(
        f"{world.provider.eph_url}/oauth/consent", data=form, headers={"Origin": "http://preview.localhost"}
    )
    assert elsewhere.status_code == 403
    for changed in (request[:-2], "", request.replace(".", "A.", 1)):
        assert browser.post("/oauth/consent", request=changed, decision="approve").status_code == 404


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example.com/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://user@evil.example.com/",
        "https://a.example.com/#x",
    ],
)
def test_codes_go_only_over_tls_or_to_this_machine(uri: str) -> None:
    with pytest.raises(AuthorizationRefused):
        AgentAuthorizations(b"k" * 32, lambda: START).register("Some agent", (uri,))


def test_an_unregistered_redirect_and_another_resource_are_refused(world: SignInWorld) -> None:
    url = f"{world.provider.eph_url}/oauth/register"
    assert direct().post(url, json={"redirect_uris": ["javascript:alert(1)"]}).status_code == 400
    client = register(world)
    answer = ask(world, client, redirect_uri="https://evil.example.com/")
    assert (answer.status_code, "location" in answer.headers) == (400, False), "no open redirect"
    assert ask(world, client + "x").status_code == 400
    wrong = ask(world, client, resource="https://other.example.com/mcp")
    assert "error=invalid_target" in wrong.headers["location"]
    assert "error=invalid_request" in ask(world, client, code_challenge="").headers["location"]


def test_registrations_survive_a_restart_and_cannot_be_forged() -> None:
    first = AgentAuthorizations(b"k" * 32, lambda: START)
    client = first.register("Some agent\n", (CALLBACK,))
    again = AgentAuthorizations(b"k" * 32, lambda: START).client(client.id)
    assert again == client
    assert (client.name, client.redirect_uris) == ("Some agent", (CALLBACK,))
    assert AgentAuthorizations(b"x" * 32, lambda: START).client(client.id) is None
    request = first.seal(AgentRequest("c", "n", CALLBACK, CHALLENGE))
    assert first.client(request) is None, "a request isn't a client"
    for uris, name in (((), "n"), ((CALLBACK,) * 6, "n"), ((f"https://a.example.com/{'x' * 2000}",), "n")):
        with pytest.raises(AuthorizationRefused):
            first.register(name, uris)


def test_the_number_of_codes_is_bounded_and_old_ones_make_room() -> None:
    now = [START]
    held = AgentAuthorizations(b"k" * 32, lambda: now[0])
    request, person = AgentRequest("c", "n", CALLBACK, CHALLENGE), Caller("ada", Role.VIEWER, person="ada")
    for _ in range(MAX_CODES):
        held.approve(request, person)
    with pytest.raises(AuthorizationRefused):
        held.approve(request, person)
    now[0] += timedelta(minutes=2)
    code = held.approve(request, person)
    grant = held.take(code)
    assert grant is not None
    assert grant.role is Role.VIEWER, "no more than the person's own"
    assert held.take(code) is None


# --- a client by hand


@cache
def direct() -> httpx.Client:
    """One for all tests, because creating one takes longer than most requests."""
    return httpx.Client(timeout=20, trust_env=False)


def register(world: SignInWorld, name: str = "Some agent") -> str:
    body = {"client_name": name, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_post"}
    answer = direct().post(f"{world.provider.eph_url}/oauth/register", json=body)
    assert (answer.status_code, answer.json().get("client_secret")) == (201, None)
    assert answer.json()["token_endpoint_auth_method"] == "none"
    return str(answer.json()["client_id"])


def ask(world: SignInWorld, client: str, **changes: str) -> httpx.Response:
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": CALLBACK,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "s1",
        **changes,
    }
    return direct().get(f"{world.provider.eph_url}/oauth/authorize?{urlencode(query)}")


def authorize(world: SignInWorld, client: str) -> str:
    """The consent page to which the client's browser is redirected."""
    return str(ask(world, client).headers["location"])


def exchange(
    world: SignInWorld, client: str, code: str, verifier: str = VERIFIER, redirect_uri: str = CALLBACK
) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": client,
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": redirect_uri,
    }
    return direct().post(f"{world.provider.eph_url}/oauth/token", data=form)


def post_mcp(world: SignInWorld, token: str) -> httpx.Response:
    headers = {"Accept": "application/json, text/event-stream"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    return direct().post(f"{world.provider.eph_url}/mcp", json=body, headers=headers)
