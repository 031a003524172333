"""Requests to a sleeping preview: L5 (wake on request), P8 of design.md's budget: 200 cold requests, 200 responses.

The gateway's part. ephd decides what a wake request leads to (tests/core/sleep/test_sleep.py, tests/e2e/test_sleep.py);
here a test plays ephd, through the files that both use.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest
from aiohttp import ClientResponse, web

from orchestrator.gateway.wake.traffic_log import PROBE_HEADER
from orchestrator.gateway.wake.visit_rules import is_visit
from tests.gateway.conftest import GatewayWorld

HOST = "shop-gentle-stream-42.eph.test"
BROWSER = {"Accept": "text/html,application/xhtml+xml", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
COLD_REQUESTS = 200


async def hello(_: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


def wake_requests(world: GatewayWorld) -> dict[str, float]:
    found: dict[str, float] = json.loads((world.directory / "traffic.json").read_text())["knocks"]
    return found


def route(world: GatewayWorld, port: int, asleep: bool, host: str = HOST) -> None:
    upstream = f"http://127.0.0.1:{port}"
    world.write(f"routes/{host}.json", {"host": host, "upstream": upstream, "asleep": asleep, "health": "/healthz"})


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def held_requests(world: GatewayWorld, count: int) -> list[asyncio.Task[ClientResponse]]:
    """Programs whose requests are held."""
    tasks = [asyncio.create_task(world.request(HOST)) for _ in range(count)]
    await wait_until(lambda: HOST in wake_requests(world))
    return tasks


async def test_two_hundred_cold_requests_are_two_hundred_answers_and_one_start(
    world: GatewayWorld, free_port: Callable[[], int]
) -> None:
    await world.start()
    port = free_port()
    route(world, port, asleep=True)
    tasks = await held_requests(world, COLD_REQUESTS)  # like ephd: a wake request newer than the sleep is one start
    assert list(wake_requests(world)) == [HOST]
    assert [task.done() for task in tasks] == [False] * COLD_REQUESTS, "all are held"
    await world.upstream(hello, port)
    route(world, port, asleep=False)
    answers = await asyncio.gather(*tasks)
    assert [answer.status for answer in answers] == [200] * COLD_REQUESTS


async def test_a_browser_gets_a_page_that_reloads_by_itself(world: GatewayWorld) -> None:
    await world.start()
    route(world, 1, asleep=True)
    answer = await world.request(HOST, headers=BROWSER)
    text = await answer.text()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert "waking up" in text
    assert 'http-equiv="refresh"' in text
    assert HOST in wake_requests(world), "written at once, not with the next round"


async def test_during_a_pause_no_one_waits_for_what_cannot_wake(world: GatewayWorld) -> None:
    """O4. The request is remembered, so it wakes the preview after the pause."""
    await world.start()
    route(world, 1, asleep=True)
    world.state(HOST, phase="asleep", paused=True)
    for headers in (BROWSER, {"Accept": "application/json"}):
        answer = await world.request(HOST, headers=headers)
        assert answer.status == 503
        assert "paused" in await answer.text()
    assert HOST in wake_requests(world)


async def test_failed_start_is_reported_to_all_who_wait(world: GatewayWorld) -> None:
    await world.start()
    route(world, 1, asleep=True)
    world.state(HOST, phase="failed", message="service web ended 3 times", failed_at=time.time() - 60)
    tasks = await held_requests(world, 20)
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in tasks), "a failure of before they came is not theirs"
    world.state(HOST, phase="failed", message="service web ended 3 times", failed_at=time.time())
    for answer in await asyncio.gather(*tasks):
        assert answer.status == 503
        assert "service web ended 3 times" in (await answer.json())["message"]
        assert int(answer.headers["Retry-After"]) > 0
    page = await world.request(HOST, headers=BROWSER)
    assert "could not wake up" in await page.text()


async def test_after_the_maximum_wait_clients_are_asked_to_retry(world: GatewayWorld) -> None:
    await world.start(max_wake_wait=0.2)
    route(world, 1, asleep=True)
    answer = await world.request(HOST, method="POST", data=b"x")
    assert (answer.status, answer.content_type) == (503, "application/json")
    assert int(answer.headers["Retry-After"]) > 0


async def test_preview_that_disappears_while_clients_wait_is_reported(world: GatewayWorld) -> None:
    await world.start()
    route(world, 1, asleep=True)
    tasks = await held_requests(world, 2)
    world.state(HOST, phase="destroying")
    (world.directory / "routes" / f"{HOST}.json").unlink()
    assert [answer.status for answer in await asyncio.gather(*tasks)] == [410, 410]


async def test_disconnected_client_leaves_the_others_waiting(world: GatewayWorld, free_port: Callable[[], int]) -> None:
    await world.start()
    port = free_port()
    route(world, port, asleep=True)
    first, second = await held_requests(world, 2)
    first.cancel()
    await asyncio.sleep(0.1)
    await world.upstream(hello, port)
    route(world, port, asleep=False)
    assert (await second).status == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {PROBE_HEADER: "1"}),
        ("/healthz", {}),
        ("/robots.txt", BROWSER),
        ("/", {"User-Agent": "kube-probe/1.34"}),
        ("/", {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}),
        ("/", {**BROWSER, "Sec-Purpose": "prefetch;prerender"}),
    ],
    ids=["our probe", "its health check", "robots.txt", "kubelet", "robot", "prefetch"],
)
async def test_bots_and_health_checks_do_not_wake(world: GatewayWorld, path: str, headers: dict[str, str]) -> None:
    await world.start()
    route(world, 1, asleep=True)
    answer = await world.request(HOST, path, headers=headers)
    assert answer.status == 503
    assert "asleep" in await answer.text()
    assert wake_requests(world) == {}


@pytest.mark.parametrize("agent", ["curl/8.9.1", "python-httpx/0.28", "", "okhttp/4", BROWSER["User-Agent"]])
def test_browsers_and_clients_wake(agent: str) -> None:
    assert is_visit("GET", "/", {"User-Agent": agent})
    assert is_visit("POST", "/healthz", {"User-Agent": agent}, "/healthz")
