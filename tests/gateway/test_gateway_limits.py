"""P2: how much of the gateway one preview or one client can use, and what counts as use of a preview."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web

from orchestrator.gateway.access.guess_limiter import GuessLimiter
from orchestrator.gateway.access.open_requests import OpenRequests
from orchestrator.gateway.wake.traffic_log import PROBE_HEADER, TrafficLog
from tests.gateway.conftest import GatewayWorld

HOST = "shop-gentle-stream-42.eph.test"
OTHER_HOST = "shop-quiet-river-7.eph.test"


async def hello(_: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


async def test_guessing_unknown_names_is_limited(world: GatewayWorld) -> None:
    """S5: three a minute in this test; time gives attempts back."""
    await world.start()
    assert [(await world.request(f"shop-{n}.eph.test")).status for n in range(5)] == [404, 404, 404, 429, 429]
    answer = await world.request("shop-9.eph.test")
    assert int(answer.headers["Retry-After"]) == 20
    world.clock[0] += 20
    assert [(await world.request(f"shop-{n}.eph.test")).status for n in range(2)] == [404, 429]


def test_a_guesser_cannot_tell_known_from_unknown() -> None:
    """S5: once out of attempts, a client gets the same response for every name that it hadn't reached before."""
    clock = [0.0]
    limits = GuessLimiter(per_minute=2, monotonic=lambda: clock[0])
    assert limits.allow_host("203.0.113.9", "mine") == 0
    assert [limits.take_try("203.0.113.9") for _ in range(3)] == [0, 0, 30]
    assert limits.allow_host("203.0.113.9", "yours") == 30
    assert limits.allow_host("203.0.113.9", "mine") == 0
    assert limits.allow_host("198.51.100.1", "yours") == 0
    clock[0] += 30
    assert limits.allow_host("203.0.113.9", "yours") == 0


def test_an_ipv6_network_is_one_client_and_loopback_is_ephd() -> None:
    limits = GuessLimiter(per_minute=1, monotonic=lambda: 0.0)
    assert [limits.take_try(f"2001:db8::{n}") for n in range(2)] == [0, 60]
    assert [limits.take_try("127.0.0.1") for _ in range(2)] == [0, 60]
    assert limits.allow_host("127.0.0.1", "new") == 0


async def test_requests_over_the_limit_wait_outside(world: GatewayWorld) -> None:
    inside, hold = asyncio.Event(), asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.Response:
        inside.set()
        await hold.wait()
        return web.Response()

    await world.start(max_open=1)
    world.route(HOST, await world.upstream(handler))
    first = asyncio.create_task(world.request(HOST))
    await inside.wait()
    assert (await (await world.request(HOST, "/_eph/healthz")).json())["open"] == 1
    answer = await world.request(HOST)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    hold.set()
    assert (await first).status == 200


async def test_one_preview_cannot_use_up_the_gateway(world: GatewayWorld) -> None:
    """2,060 hanging requests to one preview made every other host unreachable, ephd included."""
    hanging, all_inside, hold = [0], asyncio.Event(), asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.Response:
        hanging[0] += 1
        if hanging[0] == 4:
            all_inside.set()
        await hold.wait()
        return web.Response()

    trusted = frozenset({"127.0.0.0/8"})
    await world.start(control=await world.upstream(hello), max_open=16, trusted_proxies=trusted)
    world.route(HOST, await world.upstream(handler))
    world.route(OTHER_HOST, await world.upstream(hello))
    sent = [{"X-Forwarded-For": f"203.0.113.{number % 2}"} for number in range(4)]
    requests = [asyncio.create_task(world.request(HOST, headers=headers)) for headers in sent]
    await all_inside.wait()
    assert (await world.request(HOST, headers={"X-Forwarded-For": "203.0.113.9"})).status == 503
    assert (await world.request(OTHER_HOST, headers=sent[0])).status == 200
    assert (await world.request("eph.test", headers=sent[0])).status == 200
    hold.set()
    assert [answer.status for answer in await asyncio.gather(*requests)] == [200] * 4


def admit(stack: ExitStack, places: OpenRequests, address: str, *environments: str) -> list[bool]:
    return [stack.enter_context(places.admit(address, environment)) for environment in environments]


def test_open_requests_are_shared_fairly() -> None:
    """A client and an environment get a quarter of all places, and an eighth stays free for Eph's own hosts."""
    places = OpenRequests(16)
    with ExitStack() as stack:
        assert admit(stack, places, "198.51.100.1", "a", "b", "c", "d", "e") == [True] * 4 + [False]
        assert admit(stack, places, "198.51.100.2", "a", "a", "a", "a") == [True] * 3 + [False]
        assert admit(stack, places, "198.51.100.1", "") == [True], "previews don't keep a client from Eph"
        assert [admit(stack, places, f"203.0.113.{n}", f"h{n}") for n in range(8)] == [[True]] * 7 + [[False]]
        assert admit(stack, places, "192.0.2.1", "", "") == [True, False]
    assert places.total == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_preview_that_hangs_does_not_delay_health_checks_of_others(address: str) -> None:
    """ephd's health checks come from loopback, and so do requests of previews in a sandbox without its own network."""
    places = OpenRequests(16)
    with ExitStack() as stack:
        assert admit(stack, places, address, "a", "a", "a", "a", "a") == [True] * 4 + [False]
        assert admit(stack, places, address, "b", "") == [True, True]


def test_traffic_records_when_a_host_was_last_used(tmp_path: Path) -> None:
    """The idle detection reads this: an open request counts as use, a removed host is forgotten."""
    (tmp_path / "routes").mkdir()
    for host in ("a", "b"):
        (tmp_path / "routes" / f"{host}.json").write_text("{}")
    clock = [100.0]
    traffic = TrafficLog(tmp_path, lambda: clock[0])
    traffic.request_started("a")
    traffic.request_started("b")
    traffic.request_ended("b")
    clock[0] = 200.0
    traffic.save()
    assert traffic.request_wake("b"), "somebody waits: it is written at once"
    assert not traffic.request_wake("b"), "but not for each of many"
    traffic.save()
    told = {"until": 200.0, "hosts": {"a": 200.0, "b": 200.0}, "knocks": {"b": 200.0}}
    assert json.loads((tmp_path / "traffic.json").read_text()) == told
    (tmp_path / "routes" / "b.json").unlink()
    again = TrafficLog(tmp_path, lambda: 300.0)
    again.save()
    told = {"until": 300.0, "hosts": {"a": 200.0}, "knocks": {}}
    assert json.loads((tmp_path / "traffic.json").read_text()) == told, "it watches on, and nobody came"
    (tmp_path / "traffic.json").write_text("{")
    assert json.loads(_save_traffic(TrafficLog(tmp_path, lambda: 400.0), tmp_path)) == {
        "until": 400.0, "hosts": {"a": 400.0}, "knocks": {},
    }, "what was lost counts as used when it was noticed again"  # fmt: skip


def test_host_reachable_in_other_ways_is_not_reported_as_unused(tmp_path: Path) -> None:
    """C1: people may reach an Ingress without the gateway; only traffic here shows that they use it."""
    (tmp_path / "routes").mkdir()
    (tmp_path / "routes" / "a.json").write_text('{"sole": false}')
    traffic = TrafficLog(tmp_path, lambda: 100.0)
    assert json.loads(_save_traffic(traffic, tmp_path))["hosts"] == {}
    traffic.request_started("a")
    traffic.request_ended("a")
    assert json.loads(_save_traffic(traffic, tmp_path))["hosts"] == {"a": 100.0}


def _save_traffic(traffic: TrafficLog, folder: Path) -> str:
    traffic.save()
    return (folder / "traffic.json").read_text()


async def _wait_until_recorded(world: GatewayWorld) -> float:
    """When the gateway first recorded the host."""
    async with asyncio.timeout(20):
        while HOST not in (hosts := json.loads((world.directory / "traffic.json").read_text())["hosts"]):
            await asyncio.sleep(0.05)
    return float(hosts[HOST])


async def test_health_checks_are_not_traffic(world: GatewayWorld) -> None:
    await world.start()
    world.route(HOST, await world.upstream(hello))
    noticed = await _wait_until_recorded(world)
    for headers in ({PROBE_HEADER: "1"}, {"User-Agent": "kube-probe/1.34"}, {"Sec-Purpose": "prefetch"}):
        await world.request(HOST, headers=headers)
    await world.request(HOST, "/robots.txt")
    await world.stack.aclose()
    assert json.loads((world.directory / "traffic.json").read_text())["hosts"][HOST] == noticed


async def test_traffic_is_saved_at_shutdown(world: GatewayWorld) -> None:
    await world.start()
    world.route(HOST, await world.upstream(hello))
    await world.request(HOST)
    await world.stack.aclose()
    assert list(json.loads((world.directory / "traffic.json").read_text())["hosts"]) == [HOST]
