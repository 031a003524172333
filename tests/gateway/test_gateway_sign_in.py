"""S5: sign-in for previews, by setting, with a token for tests."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from orchestrator.auth.preview_tokens import host_token, sign_cookie
from orchestrator.gateway.access.sign_in import COOKIE_SECONDS, PreviewTokens, SignInGuard, safe_path
from tests.gateway.conftest import HOST, HTML_HEADERS, OPEN_HOST, TOKEN, GatewayWorld, cookie, sign_in


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
