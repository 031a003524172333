"""S5: sign-in for previews, by setting, with a token for tests."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import ClientResponse, WSServerHandshakeError, web

from orchestrator.auth import preview_grants
from orchestrator.auth.preview_grants import Visitor
from orchestrator.auth.preview_tokens import host_token, sign_cookie
from orchestrator.gateway.access.people import PASS_MARK
from orchestrator.gateway.access.sign_in import COOKIE_SECONDS, PreviewTokens, SignInGuard, safe_path
from orchestrator.gateway.health_probe import GatewayProbe
from tests.gateway.conftest import GatewayWorld

HOST = "shop-gentle-stream-42.eph.test"
OPEN_HOST = "shop-quiet-river-7.eph.test"
TOKEN = "token-of-the-test-that-is-long-enough"
HTML_HEADERS = {"Accept": "text/html"}


@pytest.fixture
async def protected_world(world: GatewayWorld, tmp_path: Path) -> GatewayWorld:
    """One preview that requires sign-in, one that doesn't; both return the headers that reached them."""

    async def echo(request: web.BaseRequest) -> web.Response:
        return web.Response(text="\n".join(f"{key}: {value}" for key, value in request.headers.items()))

    port = await world.upstream(echo)
    upstream = f"http://127.0.0.1:{port}"
    world.write(f"routes/{HOST}.json", {"host": HOST, "upstream": upstream, "sign_in": True})
    world.write(f"routes/api--{HOST}.json", {"host": f"api--{HOST}", "upstream": upstream, "sign_in": True})
    world.route(OPEN_HOST, port)
    tokens = tmp_path / "previews.token"
    tokens.write_text(f"# for tests\n{TOKEN}\nshort\n")
    await world.start(tokens=tokens, sign_in="asked")
    return world


async def sign_in(world: GatewayWorld, token: str = TOKEN, to: str = "/", **headers: str) -> ClientResponse:
    data = {"token": token, "to": to}
    response = await world.client.post(
        world.url("/_eph/sign-in"), headers={"Host": HOST, **headers}, data=data, allow_redirects=False
    )
    await response.read()
    return response


def cookie(response: ClientResponse) -> str:
    """As a browser sends it back; the client's own jar wouldn't, because it uses the gateway's address."""
    return response.headers["Set-Cookie"].partition(";")[0]


async def test_without_a_token_there_is_only_the_form(protected_world: GatewayWorld) -> None:
    answer = await protected_world.request(HOST, "/cart?a=1&b=2", headers=HTML_HEADERS)
    text = await answer.text()
    assert (answer.status, answer.headers["Cache-Control"]) == (401, "no-store")
    assert '<form method="post" action="/_eph/sign-in">' in text
    assert 'value="/cart?a=1&amp;b=2"' in text
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert "X-Forwarded" not in text
    assert (
        await protected_world.request(HOST, headers={"Accept": "application/json"})
    ).content_type == "application/json"


async def test_unprotected_preview_is_open(protected_world: GatewayWorld) -> None:
    assert (await protected_world.request(OPEN_HOST)).status == 200


async def test_a_person_signs_in_once_and_comes_back_to_the_page(protected_world: GatewayWorld) -> None:
    welcome = await sign_in(protected_world, to="/cart?a=1")
    assert (welcome.status, welcome.headers["Location"]) == (303, "/cart?a=1")
    attributes = welcome.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=Lax", f"Max-Age={COOKIE_SECONDS}", "Path=/"):
        assert attribute in attributes
    assert "Secure" not in attributes
    assert "Domain" not in attributes
    assert TOKEN not in attributes
    answer = await protected_world.request(HOST, headers={"Cookie": f"mine=1; {cookie(welcome)}; other=2"})
    assert answer.status == 200
    assert "Cookie: mine=1; other=2" in await answer.text()


async def test_cookie_is_secure_if_the_connection_is(world: GatewayWorld, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(TOKEN)
    world.route(HOST, 1)
    await world.start(tokens=tmp_path / "t", sign_in="all", trusted_proxies=frozenset({"127.0.0.1"}))
    answer = await sign_in(world, **{"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Set-Cookie"].startswith("__Host-eph_sign_in=")


async def test_with_tls_a_cookie_that_a_neighbour_could_set_is_ignored(world: GatewayWorld, tmp_path: Path) -> None:
    async def cookies(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.headers.get("Cookie", "none"))

    (tmp_path / "t").write_text(TOKEN)
    world.route(HOST, await world.upstream(cookies))
    await world.start(tokens=tmp_path / "t", sign_in="all", trusted_proxies=frozenset({"127.0.0.1"}))
    tls = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    name, _, value = cookie(await sign_in(world, **tls)).partition("=")
    tossed = await world.request(HOST, headers={**tls, "Cookie": f"{name.removeprefix('__Host-')}={value}"})
    assert tossed.status == 401
    own = await world.request(HOST, headers={**tls, "Cookie": f"a=1; {name}={value}"})
    assert (own.status, await own.text()) == (200, "a=1")


async def test_cookie_is_valid_for_one_host_and_cannot_be_changed(protected_world: GatewayWorld) -> None:
    good = cookie(await sign_in(protected_world))
    assert (await protected_world.request(f"api--{HOST}", headers={"Cookie": good})).status == 401
    name, _, value = good.partition("=")
    until, _, seal = value.partition(".")
    later, cut = f"{int(until) + 1}.{seal}", f"{until}.{seal[:-1]}{'0' if seal[-1] != '0' else '1'}"
    for wrong in (later, cut, until, f"{until}.", "", "x" * 5000, "9" * 400 + "." + seal):
        assert (await protected_world.request(HOST, headers={"Cookie": f"{name}={wrong}"})).status == 401
    # A neighbouring preview may have set its own under the same name.
    assert (await protected_world.request(HOST, headers={"Cookie": f"{name}=tossed; {good}"})).status == 200


@pytest.mark.parametrize("header", [("X-Eph-Preview-Token", TOKEN), ("Authorization", f"Bearer {TOKEN}")])
async def test_token_authenticates_programs_and_is_not_forwarded(
    protected_world: GatewayWorld, header: tuple[str, str]
) -> None:
    for host in (HOST, OPEN_HOST):
        answer = await protected_world.request(host, headers=dict([header]))
        assert answer.status == 200
        text = await answer.text()
        assert TOKEN not in text
        assert header[0].lower() not in text.lower()


async def test_token_of_one_environment_opens_no_other(protected_world: GatewayWorld) -> None:
    """Suites run code from the pull request: what they get must not open a neighbour."""
    other = "shop-neighbour-9.eph.test"
    upstream = f"http://127.0.0.1:{await protected_world.upstream(_ok)}"
    protected_world.write(f"routes/{other}.json", {"host": other, "upstream": upstream, "sign_in": True})
    derived = host_token(TOKEN.encode(), HOST)
    for host, expected in ((HOST, 200), (f"api--{HOST}", 200), (other, 401)):
        for sent in ({"X-Eph-Preview-Token": derived}, {"Authorization": f"Bearer {derived}"}):
            answer = await protected_world.request(host, headers=sent)
            assert (host, answer.status) == (host, expected)
            assert derived not in await answer.text()
    signed_in = await sign_in(protected_world, derived)
    assert (await protected_world.request(HOST, headers={"Cookie": cookie(signed_in)})).status == 200
    assert (await protected_world.request(other, headers={"Cookie": cookie(signed_in)})).status == 401


async def _ok(_request: web.BaseRequest) -> web.Response:
    return web.Response(text="ok")


async def test_app_keeps_its_own_authorization(protected_world: GatewayWorld) -> None:
    sent = {"Authorization": "Bearer the-apps-own", "Cookie": cookie(await sign_in(protected_world))}
    text = await (await protected_world.request(HOST, headers=sent)).text()
    assert "Authorization: Bearer the-apps-own" in text


@pytest.mark.parametrize(
    "token", ["", "wrong", "short", "# for tests", TOKEN[:-1], TOKEN + "x", "\udcff", f"{TOKEN}\n{TOKEN}"]
)
async def test_other_tokens_are_rejected(protected_world: GatewayWorld, token: str) -> None:
    assert not SignInGuard(PreviewTokens(protected_world.directory / "previews.token")).is_valid(token, HOST)
    assert "Set-Cookie" not in (await sign_in(protected_world, token.encode("utf-8", "replace").decode())).headers


async def test_wrong_tokens_are_counted_and_the_right_one_still_passes(protected_world: GatewayWorld) -> None:
    tries = [(await sign_in(protected_world, f"wrong-{number}")).status for number in range(12)]
    assert tries == [401] * 10 + [429] * 2
    assert (await protected_world.request(HOST, headers={"X-Eph-Preview-Token": "wrong"})).status == 429
    assert (await protected_world.request(HOST, headers={"X-Eph-Preview-Token": TOKEN})).status == 200
    assert (await sign_in(protected_world)).status == 303


@pytest.mark.parametrize(
    "to",
    [
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:x",
        "/a\r\nX: y",
        "",
        "/\t/evil.test",
    ],
)
async def test_return_path_stays_on_the_site(protected_world: GatewayWorld, to: str) -> None:
    assert (await sign_in(protected_world, to=to)).headers["Location"] == "/"
    assert safe_path(to) == "/"


async def test_large_or_strange_body_is_a_failed_attempt(protected_world: GatewayWorld) -> None:
    for body in (b"x" * 100_000, b"token", b"\xff\x00", b"&" * 4000):
        answer = await protected_world.request(HOST, "/_eph/sign-in", "POST", data=body)
        assert answer.status == 401
    chunks = await protected_world.client.post(
        protected_world.url("/_eph/sign-in"), headers={"Host": HOST}, data=_chunks()
    )
    assert chunks.status == 401


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b"token=" * 100


async def test_search_engines_are_excluded(protected_world: GatewayWorld) -> None:
    answer = await protected_world.request(HOST, "/robots.txt")
    assert (answer.status, await answer.text()) == (200, "User-agent: *\nDisallow: /\n")
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


async def test_websockets_require_sign_in_and_the_same_origin(world: GatewayWorld, tmp_path: Path) -> None:
    async def talk(request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(request.headers.get("Cookie", "none"))
        return socket

    (tmp_path / "t").write_text(TOKEN)
    world.route(HOST, await world.upstream(talk))
    await world.start(tokens=tmp_path / "t", sign_in="all")

    async def first(**headers: str) -> str:
        async with world.client.ws_connect(world.url(), headers={"Host": HOST, **headers}) as socket:
            return await socket.receive_str()

    good = cookie(await sign_in(world))
    assert await first(Cookie=good) == "none"
    assert await first(Cookie=good, Origin=f"http://api--{HOST}:8080") == "none"
    assert await first(**{"X-Eph-Preview-Token": TOKEN}) == "none"
    for refused in ({}, {"Cookie": good, "Origin": f"http://{OPEN_HOST}"}, {"Cookie": good, "Origin": "null"}):
        with pytest.raises(WSServerHandshakeError) as caught:
            await first(**refused)
        assert caught.value.status == 401


async def test_all_protects_hosts_without_a_route_and_own_hosts_stay_open(world: GatewayWorld, tmp_path: Path) -> None:
    async def ephd(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="ephd")

    (tmp_path / "t").write_text(TOKEN)
    world.state(HOST, phase="creating", title="A secret title")
    await world.start(await world.upstream(ephd), tokens=tmp_path / "t", sign_in="all")
    assert (await world.request(HOST)).status == 401
    signed = await world.request(HOST, headers={"X-Eph-Preview-Token": TOKEN})
    assert (signed.status, "A secret title" in await signed.text()) == (503, True)
    assert await (await world.request("eph.test")).text() == "ephd"
    assert (await world.request("unknown.eph.test")).status == 404


async def test_with_asked_the_page_before_the_first_route_reveals_no_details(protected_world: GatewayWorld) -> None:
    protected_world.state(
        "shop-new-one-1.eph.test", phase="creating", title="A secret title", message="why", pull_url="http://x/1"
    )
    answer = await protected_world.request("shop-new-one-1.eph.test")
    text = await answer.text()
    assert "Creating this preview" in text
    assert not [word for word in ("secret title", "why</p>", "http://x/1") if word in text]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("short\n#" + TOKEN)])
async def test_without_a_token_nobody_has_access(
    protected_world: GatewayWorld, spoil: Callable[[Path], object]
) -> None:
    spoil(protected_world.directory / "previews.token")
    answer = await protected_world.request(HOST, headers={"X-Eph-Preview-Token": TOKEN})
    assert answer.status == 503
    assert "no token" in await answer.text()


async def test_replacing_a_token_revokes_its_cookies(protected_world: GatewayWorld) -> None:
    good = cookie(await sign_in(protected_world))
    fresh = TOKEN[::-1] + "-new"
    (protected_world.directory / "previews.token").write_text(fresh + "\n")
    assert (await protected_world.request(HOST, headers={"Cookie": good})).status == 401
    assert (await sign_in(protected_world, fresh)).status == 303


async def test_cookie_expires_after_twelve_hours(world: GatewayWorld, tmp_path: Path) -> None:
    tokens = tmp_path / "t"
    tokens.write_text(TOKEN)
    guard = SignInGuard(PreviewTokens(tokens), now=lambda: 1000.0)
    seal = "{}.{}".format
    for until, opens in (
        (1001, True),
        (1000 + COOKIE_SECONDS, True),
        (1000, False),
        (1000 + COOKIE_SECONDS * 2, False),
    ):
        value = seal(until, sign_cookie(TOKEN.encode(), HOST, str(until)))
        assert guard._is_valid_cookie(value, HOST) is opens


async def test_rejected_requests_do_not_keep_a_preview_awake(protected_world: GatewayWorld) -> None:
    before = await _wait_until_recorded(protected_world)
    await protected_world.request(HOST)
    await protected_world.request(OPEN_HOST)
    await protected_world.stack.aclose()
    seen = json.loads((protected_world.directory / "traffic.json").read_text())["hosts"]
    assert (seen[HOST] == before[HOST], seen[OPEN_HOST] > before[OPEN_HOST]) == (True, True)


async def _wait_until_recorded(world: GatewayWorld) -> dict[str, float]:
    """When the gateway first recorded each of them: within its first rounds."""
    async with asyncio.timeout(20):
        while (
            not {HOST, OPEN_HOST}
            <= (found := json.loads((world.directory / "traffic.json").read_text())["hosts"]).keys()
        ):
            await asyncio.sleep(0.05)
    return dict(found)


async def test_tokens_are_in_no_log(protected_world: GatewayWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await sign_in(protected_world)
    await protected_world.request(HOST, headers={"X-Eph-Preview-Token": TOKEN})
    assert TOKEN not in caplog.text


async def test_ephds_own_health_checks_are_allowed(protected_world: GatewayWorld, tmp_path: Path) -> None:
    probe = GatewayProbe(f"http://127.0.0.1:{protected_world.port}", lambda host: host_token(TOKEN.encode(), host))
    stranger = GatewayProbe(f"http://127.0.0.1:{protected_world.port}")
    try:
        assert await probe(f"http://{HOST}", "/healthz") == (True, "/healthz returned 200")
        assert await stranger(f"http://{HOST}", "/healthz") == (False, "/healthz returned 401")
    finally:
        await probe.close()
        await stranger.close()


async def test_proxy_in_front_does_not_answer_for_a_preview(world: GatewayWorld) -> None:
    """P3: an ingress controller that redirects everything to https hasn't reached the preview."""

    async def redirect(_: web.BaseRequest) -> web.Response:
        return web.Response(status=308, headers={"Location": "https://elsewhere.test/"})

    way = f"http://127.0.0.1:{await world.upstream(redirect)}"
    probe = GatewayProbe(f"{way}/")
    try:
        assert await probe(f"http://{HOST}", "/healthz") == (
            False,
            f"/healthz at {way} returned 308, and it wasn't Eph's gateway",
        )
    finally:
        await probe.close()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_another_previews_page_cannot_use_the_cookie(protected_world: GatewayWorld, method: str) -> None:
    """Previews are one site to a browser, so SameSite doesn't separate them."""
    kept = {"Cookie": cookie(await sign_in(protected_world))}
    fetch = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    for sent, status in [
        ({"Origin": f"http://{OPEN_HOST}"}, 401),
        ({"Origin": "null"}, 401),
        (fetch, 401),
        ({**fetch, "Referer": f"http://{OPEN_HOST}/x"}, 401),
        ({**fetch, "Referer": f"http://api--{HOST}/x"}, 200),
        ({"Origin": f"http://api--{HOST}:8080"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ]:
        assert (await protected_world.request(HOST, "/", method, {**kept, **sent})).status == status, sent


APP_HOST, DEPLOY_HOST = "shop.eph.test", "feat-x.shop.eph.test"


async def _hello(_: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


def write_route(world: GatewayWorld, host: str, port: int, **fields: object) -> None:
    world.write(f"routes/{host}.json", {"host": host, "upstream": f"http://127.0.0.1:{port}", **fields})


async def test_the_sign_in_of_the_apps_route_applies_to_its_deploys(world: GatewayWorld, tmp_path: Path) -> None:
    """M2: also to a commit whose own eph.yaml requires none, and to its additional services."""

    tokens = tmp_path / "previews.token"
    tokens.write_text(TOKEN)
    port = await world.upstream(_hello)
    for host in (DEPLOY_HOST, f"api--{DEPLOY_HOST}", OPEN_HOST):
        write_route(world, host, port)
    await world.start(tokens=tokens, sign_in="asked")
    assert (await world.request(DEPLOY_HOST)).status == 200
    write_route(world, APP_HOST, port, sign_in=True)
    for host in (DEPLOY_HOST, f"api--{DEPLOY_HOST}"):
        assert (await world.request(host)).status == 401
        assert (await world.request(host, headers={"X-Eph-Preview-Token": TOKEN})).status == 200
    assert (await world.request(OPEN_HOST)).status == 200
    write_route(world, APP_HOST, port, sign_in=True, allow=["ada"])
    own = host_token(TOKEN.encode(), DEPLOY_HOST)
    assert (await world.request(DEPLOY_HOST, headers={"X-Eph-Preview-Token": TOKEN})).status == 401
    assert (await world.request(DEPLOY_HOST, headers={"X-Eph-Preview-Token": own})).status == 200


async def test_a_route_of_the_app_that_cannot_be_read_opens_no_deploy(world: GatewayWorld, tmp_path: Path) -> None:
    """M2: a failed lookup is an error, and never means that no sign-in is required."""
    tokens = tmp_path / "previews.token"
    tokens.write_text(TOKEN)
    write_route(world, DEPLOY_HOST, 1)
    world.write(f"routes/{APP_HOST}.json", {"host": "another.eph.test"})
    await world.start(tokens=tokens, sign_in="asked")
    assert (await world.request(DEPLOY_HOST)).status == 503


async def test_with_two_lists_a_person_must_be_on_both(world: GatewayWorld, tmp_path: Path) -> None:
    """M2: a deploy's own eph.yaml can't let in people whom the app's route keeps out, and the other way round."""
    key = tmp_path / "people.key"
    key.write_bytes(b"k" * 32)
    port = await world.upstream(_hello)
    write_route(world, DEPLOY_HOST, port, sign_in=True, allow=["ada", "bob"])
    write_route(world, APP_HOST, port, sign_in=True, allow=["ada", "eve"])
    await world.start(people_key=key, people_url="https://eph.test", sign_in="asked")
    for name, status in (("ada", 200), ("bob", 403), ("eve", 403)):
        visitor = preview_grants.create_pass(b"k" * 32, Visitor(name), DEPLOY_HOST, time.time())
        answer = await world.request(DEPLOY_HOST, headers={"Cookie": f"eph_sign_in={PASS_MARK}{visitor}"})
        assert answer.status == status, name
