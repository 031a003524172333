"""OAuth sign-in inside previews through one callback URL: the way of a browser, and every attack on it. S6."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import make_mocked_request

from orchestrator.gateway.access import oauth_broker, oauth_state
from orchestrator.gateway.access.oauth_broker import OAuthBroker, OAuthProviders
from orchestrator.gateway.access.oauth_state import LIFETIME_SECONDS
from orchestrator.gateway.access.people import KeyFile
from orchestrator.gateway.proxy.headers import ClientInfo
from tests.gateway.conftest import GatewayWorld

HOST = "shop-calm-meadow-42.eph.test"
OTHER_HOST = "shop-quiet-river-7.eph.test"
OWN_HOST = "eph.test"
KEY = b"k" * 32
CALLBACK = "https://eph.test/_eph/oauth/callback"
PROVIDERS = OAuthProviders({"keep": "https://login.example.com/authorize?tenant=acme"}, CALLBACK, "https://{host}")
APP_REQUEST = {"client_id": "shop", "response_type": "code", "scope": "openid email", "state": "app's own=state&1"}


class Browser:
    """Follows no redirect by itself; ``cookie`` is the one that the gateway set on the preview's host."""

    def __init__(self, world: GatewayWorld) -> None:
        self._world = world
        self.cookie = ""

    async def get(self, host: str, path: str, **query: str) -> ClientResponse:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        text = f"{path}?{urlencode(query)}" if query else path
        answer = await self._world.request(host, text, headers=headers)
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    async def begin(self, host: str = HOST, path: str = "/auth/callback", **more: str) -> str:
        """Starts a sign-in and returns the state that the provider sees."""
        query = {**APP_REQUEST, "eph_path": path, **more}
        answer = await self.get(host, "/_eph/oauth/authorize/keep", **query)
        assert answer.status == 303, await answer.text()
        return query_of(answer)["state"]

    async def return_from_provider(self, state: str, **more: str) -> ClientResponse:
        return await self.get(OWN_HOST, "/_eph/oauth/callback", **(more or {"code": "c0de"}), state=state)

    async def finish(self, host: str, state: str) -> ClientResponse:
        return await self.get(host, "/_eph/oauth/finish", code="c0de", state=state)


def query_of(answer: ClientResponse) -> dict[str, str]:
    found = parse_qs(urlsplit(answer.headers["Location"]).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in found.values()), found
    return {name: values[0] for name, values in found.items()}


async def refusal(answer: ClientResponse) -> str:
    assert answer.status == 400
    assert "Location" not in answer.headers
    return await answer.text()


@pytest.fixture
async def oauth_world(world: GatewayWorld, tmp_path: Path) -> GatewayWorld:
    """Two previews, which return what reaches them, and one provider."""

    async def echo(request: web.BaseRequest) -> web.Response:
        return web.Response(text=f"{request.path_qs} {request.headers.get('Cookie', '')}")

    upstream = await world.upstream(echo)
    for host in (HOST, OTHER_HOST):
        world.route(host, upstream)
    key = tmp_path / "previews.key"
    key.write_bytes(KEY)
    await world.start(control=upstream, people_key=key, oauth=PROVIDERS)
    return world


async def test_app_gets_the_code_and_its_own_state(oauth_world: GatewayWorld) -> None:
    browser = Browser(oauth_world)
    answer = await browser.get(
        HOST, "/_eph/oauth/authorize/keep", **APP_REQUEST, eph_path="/auth/callback?flow=1", redirect_uri=CALLBACK
    )
    assert answer.headers["Location"].startswith("https://login.example.com/authorize?")
    sent = query_of(answer)
    state = sent.pop("state")
    assert sent == {
        "tenant": "acme",
        "client_id": "shop",
        "response_type": "code",
        "scope": "openid email",
        "redirect_uri": CALLBACK,
    }
    back = await browser.return_from_provider(state, code="c0de", iss="https://login.example.com")
    assert back.headers["Location"].startswith(f"https://{HOST}/_eph/oauth/finish?")
    done = await browser.get(HOST, back.headers["Location"].removeprefix(f"https://{HOST}"))
    assert done.status == 303
    assert done.headers["Location"].startswith("/auth/callback?flow=1&")
    assert query_of(done) == {
        "flow": "1",
        "code": "c0de",
        "iss": "https://login.example.com",
        "state": APP_REQUEST["state"],
    }
    for response in (answer, back, done):
        assert (response.headers["Cache-Control"], response.headers["Referrer-Policy"]) == ("no-store", "no-referrer")


async def test_error_of_the_provider_reaches_the_app(oauth_world: GatewayWorld) -> None:
    browser = Browser(oauth_world)
    state = await browser.begin()
    back = await browser.return_from_provider(state, error="access_denied")
    done = await browser.get(HOST, back.headers["Location"].removeprefix(f"https://{HOST}"))
    assert query_of(done) == {"error": "access_denied", "state": APP_REQUEST["state"]}


async def test_two_tabs_sign_in_at_once(oauth_world: GatewayWorld) -> None:
    browser = Browser(oauth_world)
    states = [await browser.begin(), await browser.begin()]
    for state in states:
        assert (await browser.finish(HOST, state)).status == 303


async def test_cookie_is_for_this_host_and_not_for_the_app(oauth_world: GatewayWorld) -> None:
    answer = await Browser(oauth_world).get(HOST, "/_eph/oauth/authorize/keep", eph_path="/", **APP_REQUEST)
    attributes = answer.headers["Set-Cookie"]
    assert "HttpOnly" in attributes
    assert "SameSite=Lax" in attributes
    assert "Domain" not in attributes
    cookie = attributes.partition(";")[0]
    seen = await oauth_world.request(HOST, "/page", headers={"Cookie": f"{cookie}; own=1"})
    assert await seen.text() == "/page own=1"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "evil.example",
        "",
        "javascript:alert(1)",
        "/a\r\nLocation: //evil.example",
        "/ok#fragment",
    ],
)
async def test_open_redirect_by_the_apps_path_is_refused(oauth_world: GatewayWorld, path: str) -> None:
    answer = await Browser(oauth_world).get(HOST, "/_eph/oauth/authorize/keep", **APP_REQUEST, eph_path=path)
    assert "Set eph_path to the path" in await refusal(answer)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"redirect_uri": "https://evil.example/callback"}, f"Set redirect_uri exactly once, to {CALLBACK}"),
        ({"response_type": "token"}, "Set response_type exactly once, to code"),
        ({"response_mode": "form_post"}, "Set response_mode exactly once, to query"),
        ({"state": "x" * 1025}, "more than 1024 characters"),
    ],
)
async def test_request_that_would_be_answered_elsewhere_is_refused(
    oauth_world: GatewayWorld, more: dict[str, str], said: str
) -> None:
    query = {**APP_REQUEST, "eph_path": "/auth/callback", **more}
    answer = await Browser(oauth_world).get(HOST, "/_eph/oauth/authorize/keep", **query)
    assert said in await refusal(answer)


async def test_unknown_provider_leads_nowhere(oauth_world: GatewayWorld) -> None:
    for name in ("other", "https://evil.example", "..", ""):
        answer = await Browser(oauth_world).get(HOST, f"/_eph/oauth/authorize/{name}", **APP_REQUEST, eph_path="/")
        assert "know that provider" in await refusal(answer)


@pytest.mark.parametrize("kind", ["missing", "forged", "other key", "changed host", "twice"])
async def test_callback_follows_only_our_own_state(oauth_world: GatewayWorld, kind: str) -> None:
    browser = Browser(oauth_world)
    state = await browser.begin()
    body, _, signature = state.partition(".")
    ours = oauth_state.unseal(KEY, state, 0)
    assert ours is not None
    evil = oauth_state.create("evil.example", "/", "", "", 10**10)
    sent = {
        "missing": "code=1",
        "forged": f"code=1&state={oauth_state.seal(KEY, evil).partition('.')[0]}.{signature}",
        "other key": f"code=1&state={oauth_state.seal(b'x' * 32, evil)}",
        "changed host": f"code=1&state={body[:-4]}AAAA.{signature}",
        "twice": f"code=1&state={state}&state={state}",
    }[kind]
    answer = await browser.get(OWN_HOST, f"/_eph/oauth/callback?{sent}")
    assert "wasn't started in a preview" in (await refusal(answer)).replace("&#39;", "'")


async def test_another_previews_state_is_refused(oauth_world: GatewayWorld) -> None:
    """The code of one preview's sign-in never reaches another one, whatever that one's pages do."""
    browser = Browser(oauth_world)
    state = await browser.begin(HOST)
    back = await browser.return_from_provider(state)
    assert urlsplit(back.headers["Location"]).hostname == HOST
    assert "started in another preview" in await refusal(await browser.finish(OTHER_HOST, state))


async def test_state_of_another_browser_is_refused(oauth_world: GatewayWorld) -> None:
    """An attacker can't sign a victim in to the attacker's account, nor the other way round."""
    attacker, victim = Browser(oauth_world), Browser(oauth_world)
    state = await attacker.begin()
    assert "started in another browser" in await refusal(await victim.finish(HOST, state))
    await victim.begin()
    assert "started in another browser" in await refusal(await victim.finish(HOST, state))


async def test_replayed_state_is_refused(oauth_world: GatewayWorld) -> None:
    browser = Browser(oauth_world)
    state = await browser.begin()
    assert (await browser.finish(HOST, state)).status == 303
    assert "already completed" in await refusal(await browser.finish(HOST, state))


async def test_other_methods_are_refused(oauth_world: GatewayWorld) -> None:
    for host, path in ((HOST, "/_eph/oauth/authorize/keep"), (HOST, "/_eph/oauth/finish")):
        assert "Use GET" in await refusal(await oauth_world.request(host, path, "POST"))
    answer = await oauth_world.request(OWN_HOST, "/_eph/oauth/callback", "POST")
    assert answer.status in (400, 403)
    assert "Location" not in answer.headers


async def test_without_providers_the_paths_are_the_apps(world: GatewayWorld) -> None:
    async def echo(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.path)

    world.route(HOST, await world.upstream(echo))
    await world.start()
    assert await (await world.request(HOST, "/_eph/oauth/authorize/keep")).text() == "/_eph/oauth/authorize/keep"


class BrokerSetup:
    """A broker with a manual clock."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        key = folder / "key"
        key.write_bytes(KEY)
        self.broker = OAuthBroker(PROVIDERS, KeyFile(key), lambda: self.now)

    def callback(self, state: str) -> int:
        answer = self.broker.answer_callback(make_mocked_request("GET", f"/_eph/oauth/callback?state={state}"))
        assert answer is not None
        return answer.status

    def finish(self, state: str, address: str = "192.0.2.1") -> int:
        request = make_mocked_request("GET", f"/_eph/oauth/finish?state={state}", {"Cookie": "eph_oauth=browser"})
        answer = self.broker.answer_preview(request, HOST, ClientInfo(address, "http"))
        assert answer is not None
        return answer.status

    def new_state(self) -> str:
        return oauth_state.seal(KEY, oauth_state.create(HOST, "/", "", "browser", self.now))

    def use(self, count: int, address: str) -> set[int]:
        return {self.finish(self.new_state(), address) for _ in range(count)}


@pytest.mark.parametrize("step", [BrokerSetup.callback, BrokerSetup.finish])
def test_expired_state_is_refused(tmp_path: Path, step: Callable[[BrokerSetup, str], int]) -> None:
    setup = BrokerSetup(tmp_path)
    state = oauth_state.seal(KEY, oauth_state.create(HOST, "/", "", "browser", setup.now))
    setup.now += LIFETIME_SECONDS - 1
    assert step(setup, state) == 303
    setup.now += 1
    assert step(setup, state) == 400


def test_a_client_with_too_many_sign_ins_blocks_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It used to fill the memory for everybody, for ten minutes."""
    monkeypatch.setattr(oauth_broker, "MAX_USED_PER_CLIENT", 3)
    setup = BrokerSetup(tmp_path)
    victims = setup.new_state()
    assert setup.use(3, "2001:db8::1") == {303}
    assert setup.use(2, "2001:db8::2") == {400}
    assert setup.finish(victims, "192.0.2.1") == 303
    assert setup.finish(victims, "192.0.2.1") == 400, "a state is still used once"
    setup.now += LIFETIME_SECONDS
    assert setup.use(1, "2001:db8::1") == {303}


def test_many_clients_with_sign_ins_block_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth_broker, "MAX_USED", 20)
    setup = BrokerSetup(tmp_path)
    for number in range(25):
        assert setup.use(1, f"198.51.100.{number}") == {303}
    assert len(setup.broker._used) == 20
    assert setup.use(1, "192.0.2.1") == {303}


def test_missing_key_signs_nobody_in(tmp_path: Path) -> None:
    setup = BrokerSetup(tmp_path)
    (tmp_path / "key").unlink()
    empty = oauth_state.seal(b"", oauth_state.create(HOST, "/", "", "browser", setup.now))
    assert (setup.callback(empty), setup.finish(empty)) == (400, 400)
