"""Where each request is routed, and what people see if there is nothing yet.

Proves S5 (unknown hosts are rate-limited and reveal nothing), P3 and pitfall 13 (a holding page, no error page).
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.views.phases import Phase
from orchestrator.gateway import hostnames, wording
from tests.gateway.conftest import GatewayWorld, Handler

HOST = "shop-gentle-stream-42.eph.test"
OTHER_HOST = "shop-quiet-river-7.eph.test"
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"


async def hello(request: web.BaseRequest) -> web.Response:
    return web.Response(text=f"hello from {request.headers['Host']}")


async def send_raw(world: GatewayWorld, text: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(text.encode("latin-1"))
    answer = await reader.readuntil(b"\r\n")
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("host", ["eph.test", "localhost", "127.0.0.1", "[::1]", "LocalHost.:8080"])
async def test_ephs_own_hosts_go_to_ephd(world: GatewayWorld, host: str) -> None:
    await world.start(control=await world.upstream(hello))
    answer = await world.request(host, "/api/v1/status")
    assert await answer.text() == f"hello from {host}"
    assert "X-Robots-Tag" not in answer.headers


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Origin": f"http://{HOST}:8080"}, 403),
        ("DELETE", {"Origin": "null"}, 403),
        ("GET", {"Origin": f"http://{HOST}", "Upgrade": "websocket", "Connection": "Upgrade"}, 403),
        ("POST", {"Origin": "http://localhost:8080"}, 200),
        ("POST", {}, 200),
        ("GET", {"Origin": f"http://{HOST}"}, 403),
        ("GET", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
    ],
)
async def test_preview_page_cannot_make_changes_at_ephd(
    world: GatewayWorld, method: str, headers: dict[str, str], status: int
) -> None:
    """S3: a pull request's page runs in a browser that may reach ephd's API, too."""
    await world.start(control=await world.upstream(hello))
    assert (await world.request("localhost", "/api/v1/x", method, headers)).status == status


async def test_without_ephd_its_hosts_show_a_page(world: GatewayWorld) -> None:
    await world.start(control=1)
    answer = await world.request("localhost")
    assert answer.status == 502
    assert "Is ephd running?" in await answer.text()


async def test_route_applies_from_the_next_request(world: GatewayWorld) -> None:
    """P3: created, moved and removed, without any delay."""
    await world.start()
    one, two = await world.upstream(hello), await world.upstream(_status(201))
    seen = [(await world.request(HOST)).status]
    for upstream in (one, two):
        world.route(HOST, upstream)
        seen.append((await world.request(HOST)).status)
    (world.directory / "routes" / f"{HOST}.json").unlink()
    seen.append((await world.request(HOST)).status)
    assert seen == [404, 200, 201, 404]


def _status(status: int) -> Handler:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    return handler


async def test_each_service_has_its_own_host(world: GatewayWorld) -> None:
    await world.start()
    world.route(f"api--{HOST}", await world.upstream(hello))
    world.state(HOST, phase="creating")
    assert (await world.request(f"api--{HOST}")).status == 200
    assert (await world.request(f"admin--{HOST}")).status == 503


@pytest.mark.parametrize(
    "host",
    [
        "../../etc/passwd",
        "..",
        "a/b",
        "a%2fb",
        "a\\b",
        "a b",
        "a_b",
        "-a.b",
        "a..b",
        "a:b",
        "a:80:80",
        "x" * 64,
        "a." * 127 + "abc",
        "é",
        "[::2]",
        "",
    ],
)
async def test_invalid_host_names_are_rejected(world: GatewayWorld, host: str) -> None:
    """S5: a host becomes a file name, so nothing else is allowed; the requested file exists."""
    world.write("x.json", {"host": "../x", "upstream": "http://127.0.0.1:9"})
    await world.start()
    assert (await send_raw(world, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


@given(st.text(max_size=300))
def test_no_text_becomes_a_path(text: str) -> None:
    try:
        host = hostnames.normalize(text)
    except hostnames.BadHost:
        return
    assert host == "::1" or (set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") and ".." not in host)
    assert Path("routes", f"{host}.json").parent == Path("routes")


async def test_two_host_headers_are_rejected(world: GatewayWorld) -> None:
    await world.start()
    assert b" 400 " in await send_raw(world, f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: localhost\r\n\r\n")


async def test_endless_header_lines_are_rejected(world: GatewayWorld) -> None:
    await world.start()
    assert b" 400 " in await send_raw(world, f"GET / HTTP/1.1\r\nHost: localhost\r\nX: {'a' * 70_000}\r\n\r\n")


async def test_health_check_responds_on_any_host(world: GatewayWorld) -> None:
    await world.start()
    for host in ("nope.eph.test", "localhost"):
        answer = await world.request(host, "/_eph/healthz")
        assert (answer.status, (await answer.json())["ok"]) == (200, True)


STATUS = {
    **dict.fromkeys(("queued", "waiting", "waiting for image", "creating", "updating", "starting"), 503),
    **dict.fromkeys(("ready", "unhealthy", "asleep"), 503),
    **dict.fromkeys(("failed", "stalled", "refused", "held"), 502),
    **dict.fromkeys(("expired", "destroying", "destroyed"), 410),
}


@pytest.mark.parametrize("phase", list(Phase))
async def test_every_phase_has_its_page(world: GatewayWorld, phase: Phase) -> None:
    """Pitfall 13: a page that explains why, and reloads itself while something is in progress."""
    await world.start()
    world.state(HOST, phase=phase, message="the migration failed", pull_url="https://git.test/shop/pull/42")
    answer = await world.request(HOST)
    text = await answer.text()
    assert answer.status == STATUS[phase]
    assert "the migration failed" in text
    assert 'href="https://git.test/shop/pull/42"' in text
    assert "eph why shop-x-1" in text
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) == (answer.status == 503)
    assert ('http-equiv="refresh" content="2"' in text) == (answer.status == 503 and phase != "asleep")


async def test_nothing_from_outside_becomes_html(world: GatewayWorld) -> None:
    """S3: titles, messages and links are untrusted text."""
    await world.start()
    world.state(
        HOST, phase="failed", message=HOSTILE, title=HOSTILE, progress=HOSTILE + "!", pull_url="javascript:alert(1)"
    )
    text = await (await world.request(HOST)).text()
    assert "<script" not in text
    assert "javascript:" not in text
    assert text.count("&lt;script&gt;") == 3
    assert "{{7*7}}" in text


async def test_programs_get_json(world: GatewayWorld) -> None:
    await world.start()
    world.state(HOST, phase="creating", progress="database", commit="abc")
    answer = await world.request(HOST, headers={"Accept": "application/json"})
    data = await answer.json()
    assert (data["phase"], data["progress"], data["commit"], data["status"]) == ("creating", "database", "abc", 503)


async def test_dead_upstream_is_a_page_that_reloads(world: GatewayWorld) -> None:
    await world.start()
    world.route(HOST, 1)
    world.state(HOST, phase="unhealthy", message="it exited with code 1")
    answer = await world.request(HOST)
    text = await answer.text()
    assert answer.status == 502
    assert "is starting or has stopped" in text
    assert "it exited with code 1" in text
    assert 'http-equiv="refresh"' in text


async def test_broken_states_take_nothing_down(world: GatewayWorld) -> None:
    await world.start()
    world.state(HOST, phase="creating")
    assert (await world.request(HOST)).status == 503
    (world.directory / "states.json").write_text("{half")
    assert (await world.request(HOST)).status == 503
    (world.directory / "routes" / f"{HOST}.json").write_text("[]")
    assert (await world.request(HOST)).status == 503
    world.write("states.json", {"hosts": {HOST: {"phase": "no such phase", "message": None}}})
    assert (await world.request(HOST)).status == 503


async def test_an_expired_deploy_is_not_served_from_that_second(world: GatewayWorld) -> None:  # M5
    """Nothing was collected yet: the route is still there, and so is the upstream."""
    await world.start()
    port, now = await world.upstream(hello), time.time()
    world.route(HOST, port)
    world.route(f"api--{HOST}", port)
    world.state(HOST, phase="ready", expires_at=now + 60)
    assert [(await world.request(host)).status for host in (HOST, f"api--{HOST}")] == [200, 200]
    world.state(HOST, phase="ready", expires_at=now - 0.001)
    assert [(await world.request(host)).status for host in (HOST, f"api--{HOST}")] == [410, 410]
    world.state(HOST, phase="ready", expires_at=now + 3600)  # the same label was deployed again
    assert (await world.request(HOST)).status == 200


async def test_an_expired_deploy_that_is_being_replaced_says_so(world: GatewayWorld) -> None:  # M3 M5
    await world.start()
    world.route(HOST, await world.upstream(hello))
    world.state(HOST, phase="updating", expires_at=time.time() - 1)
    answer = await world.request(HOST)
    assert (answer.status, "Retry-After" in answer.headers) == (503, True)


async def test_an_expired_deploy_is_not_served_after_a_restart_either(world: GatewayWorld) -> None:  # M5
    """A gateway that has never read the states can't know what has expired."""
    await world.start()
    world.route(HOST, await world.upstream(hello))
    states = world.directory / "states.json"
    for content in ("{half", "[]", '{"hosts": []}', '{"other": {}}'):
        states.write_text(content)
        assert (await world.request(HOST)).status == 503, content
    states.unlink()
    assert (await world.request(HOST)).status == 503
    states.symlink_to(states)  # an error of the file system
    assert (await world.request(HOST)).status == 503
    states.unlink()
    world.state(HOST, expires_at=time.time() - 1)
    assert (await world.request(HOST)).status == 410


async def test_a_failed_lookup_is_an_error_and_not_an_unknown_host(world: GatewayWorld) -> None:  # M5
    await world.start()
    path = world.directory / "routes" / f"{HOST}.json"
    for content in ("{half", "[]", '{"host": "other.test", "upstream": "http://127.0.0.1:1"}'):
        path.write_text(content)
        answer = await world.request(HOST)
        assert (answer.status, "Lookup failed" in await answer.text()) == (503, True)
    path.unlink()
    path.symlink_to(path)  # an error of the file system
    assert (await world.request(HOST)).status == 503
    path.unlink()
    assert (await world.request(HOST)).status == 404
    for content in ("{half", '{"hosts": []}'):
        (world.directory / "states.json").write_text(content)
        assert (await world.request(HOST)).status == 503


async def test_before_ephd_has_listed_its_previews_no_host_is_unknown(world: GatewayWorld) -> None:  # M5
    (world.directory / "states.json").unlink()
    await world.start()
    answer = await world.request(HOST, headers={"Accept": "application/json"})
    assert (answer.status, wording.NO_PREVIEWS_YET in (await answer.json())["message"]) == (503, True)
    world.state(OTHER_HOST, phase="creating")
    assert [(await world.request(host)).status for host in (HOST, OTHER_HOST)] == [404, 503]


async def test_known_previews_are_served_while_the_states_are_gone(world: GatewayWorld) -> None:  # M5
    """Only what was never listed is a failed lookup."""
    await world.start()
    for host in (HOST, OTHER_HOST):
        world.route(host, await world.upstream(hello))
    world.state(HOST, phase="ready", expires_at=time.time() + 60)
    assert (await world.request(HOST)).status == 200
    (world.directory / "states.json").unlink()
    assert [(await world.request(host)).status for host in (HOST, OTHER_HOST)] == [200, 503]


async def test_connect_and_trace_are_not_forwarded(world: GatewayWorld) -> None:
    await world.start(control=await world.upstream(hello))
    assert (await world.request("localhost", method="TRACE")).status == 405
