"""S5: what sign-in protects: hosts without a route, deploys of an app, web sockets, and pages against other pages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from aiohttp import WSServerHandshakeError, web

from orchestrator.auth import preview_grants
from orchestrator.auth.preview_grants import Visitor
from orchestrator.auth.preview_tokens import host_token
from orchestrator.gateway.access.people import PASS_MARK
from orchestrator.gateway.health_probe import GatewayProbe
from tests.gateway.conftest import HOST, OPEN_HOST, TOKEN, GatewayWorld, cookie, sign_in

APP_HOST, DEPLOY_HOST = "shop.eph.test", "feat-x.shop.eph.test"


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


async def test_the_sign_in_of_the_app_applies_while_the_active_version_has_no_route(
    world: GatewayWorld, tmp_path: Path
) -> None:
    """M2: it is created for the first time, or again after a failure, or nothing could read its eph.yaml."""
    tokens = tmp_path / "previews.token"
    tokens.write_text(TOKEN)
    write_route(world, DEPLOY_HOST, await world.upstream(_hello))
    await world.start(tokens=tokens, sign_in="asked")
    for rule, status in (
        ({"sign_in": True}, 401),
        ({"sign_in": True, "allow": ["ada"]}, 401),
        ({"sign_in": None}, 401),
        ({}, 401),
        ({"sign_in": False}, 200),
    ):
        app: dict[str, object] = {"environment": "shop-main", "phase": "creating", **rule}
        world.write("states.json", {"hosts": {APP_HOST: app, DEPLOY_HOST: {"sign_in": False}}})
        assert (await world.request(DEPLOY_HOST)).status == status, rule
    write_route(world, APP_HOST, 1)  # it is live again, and what is live counts
    world.write("states.json", {"hosts": {APP_HOST: {"sign_in": True}}})
    assert (await world.request(DEPLOY_HOST)).status == 200


async def test_where_nothing_can_require_sign_in_an_unknown_rule_protects_nothing(world: GatewayWorld) -> None:
    write_route(world, DEPLOY_HOST, await world.upstream(_hello))
    world.write("states.json", {"hosts": {APP_HOST: {"phase": "refused"}}})
    await world.start(sign_in="off")
    assert (await world.request(DEPLOY_HOST)).status == 200


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
