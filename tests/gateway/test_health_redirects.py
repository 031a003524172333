"""A redirect isn't readiness: a health check follows it as a visitor would, within the environment (P3)."""

from __future__ import annotations

import pytest
from aiohttp import web

from orchestrator.gateway.health_probe import GatewayProbe
from programs.kit import redirects
from tests.gateway.conftest import GatewayWorld

HOST = "shop-gentle-stream-42.eph.test"
ORIGIN = f"http://{HOST}:8080"


@pytest.mark.parametrize(
    "location",
    [
        "/login",
        "login?next=/",
        f"{ORIGIN}/login",
        f"http://api--{HOST}:8080/",
        f"http://{HOST.upper()}:8080/",
        f"//{HOST}:8080/x",
    ],
)
def test_redirects_within_the_environment_are_followed(location: str) -> None:
    assert redirects.stays_within(ORIGIN, redirects.target(f"{ORIGIN}/healthz", location), behind_tls=False)


@pytest.mark.parametrize(
    "location",
    [
        f"https://{HOST}:8080/",
        f"http://{HOST}/",
        f"http://{HOST}:3000/",
        "http://shop-quiet-river-7.eph.test:8080/",
        "https://www.example.com/",
        "//example.com/",
        f"http://{HOST}:8080@example.com/",
        f"http://{HOST}.example.com:8080/",
    ],
)
def test_redirects_out_of_the_environment_are_not(location: str) -> None:
    assert not redirects.stays_within(ORIGIN, redirects.target(f"{ORIGIN}/healthz", location), behind_tls=False)


@pytest.mark.parametrize("location", ["http://[::1", "http://x:99999/", "mailto:a@example.com"])
def test_what_is_not_an_address_has_no_target(location: str) -> None:
    assert redirects.target(ORIGIN, location) == ""


def test_app_behind_tls_may_take_https_for_http() -> None:
    public = f"https://{HOST}"
    assert redirects.stays_within(public, f"http://{HOST}/login", behind_tls=True)
    assert not redirects.stays_within(public, f"http://{HOST}/login", behind_tls=False)
    assert not redirects.stays_within(public, "http://example.com/login", behind_tls=True)


@pytest.mark.parametrize(
    ("origin", "location", "outside"),
    [
        (ORIGIN, "/login", ""),
        (ORIGIN, "http://127.0.0.1:20001/login", ""),
        (ORIGIN, f"http://api--{HOST}:8080/", ""),
        (ORIGIN, "https://127.0.0.1:20001/", f"https://{HOST}:8080/"),
        (ORIGIN, "http://127.0.0.1:3000/", "http://127.0.0.1:3000/"),
        (ORIGIN, "http://127.0.0.1/", f"http://{HOST}/"),
        (ORIGIN, "https://www.example.com/", "https://www.example.com/"),
        (ORIGIN, "http://[::1", "http://[::1"),
        (f"https://{HOST}", "https://127.0.0.1/", ""),
        (f"https://{HOST}", "http://127.0.0.1:20001/", ""),
        (f"https://{HOST}", "https://www.example.com/", "https://www.example.com/"),
    ],
)
def test_a_redirect_on_the_services_own_port_counts_as_visitors_will_see_it(
    origin: str, location: str, outside: str
) -> None:
    """P3 L5: on `local`, before the routes switch to it."""
    assert redirects.leaves(origin, 20001, "/healthz", location) == outside


async def _check(world: GatewayWorld, locations: dict[str, str], origin: str = ORIGIN) -> tuple[bool, str]:
    """A health check through a real gateway. ``locations``: where each path redirects to; others return 200."""

    async def app(request: web.BaseRequest) -> web.Response:
        found = locations.get(request.path)
        return web.Response(status=302, headers={"Location": found}) if found else web.Response(text="ok")

    await world.start()
    world.route(HOST, await world.upstream(app))
    probe = GatewayProbe(f"http://127.0.0.1:{world.port}")
    try:
        return await probe(origin, "/healthz")
    finally:
        await probe.close()


async def test_redirect_that_ends_in_a_page_is_ready(world: GatewayWorld) -> None:
    ok, detail = await _check(world, {"/healthz": "/en/", "/en/": f"{ORIGIN}/en/login"})
    assert (ok, detail) == (True, "/healthz redirected to /en/login, which returned 200")


async def test_redirect_to_https_is_reported_with_its_target(world: GatewayWorld) -> None:
    """It passed before: the app forces https, and no visitor of this http preview ever sees it."""
    ok, detail = await _check(world, {"/healthz": f"https://{HOST}/healthz"})
    assert (ok, detail) == (False, f"/healthz redirects to https://{HOST}/healthz, outside the environment")


async def test_endless_redirect_is_not_ready(world: GatewayWorld) -> None:
    assert await _check(world, {"/healthz": "/healthz"}) == (False, "/healthz redirects more than 5 times")


async def test_redirect_to_the_public_https_address_is_ready(world: GatewayWorld) -> None:
    """The check reaches the gateway without TLS; people come through a proxy that adds it."""
    ok, _ = await _check(world, {"/healthz": f"https://{HOST}/healthz"}, f"https://{HOST}")
    assert ok
