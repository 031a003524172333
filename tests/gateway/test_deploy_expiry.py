"""M5: what is already being answered when a label deploy expires. The upstream still runs: nothing was collected."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import ClientError, WSMsgType, web

from orchestrator.gateway import expiry_deadline
from orchestrator.gateway.expiry_deadline import DeployExpired
from tests.gateway.conftest import GatewayWorld

HOST = "feat-x.shop.eph.test"
SOON = 0.2


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    await asyncio.Event().wait()
    return response


async def silent(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def socket(request: web.BaseRequest) -> web.StreamResponse:
    opened = web.WebSocketResponse()
    await opened.prepare(request)
    await opened.receive()
    return opened


def expire(world: GatewayWorld, seconds: float) -> None:
    world.state(HOST, phase="ready", expires_at=time.time() + seconds)


@pytest.mark.parametrize(("seconds", "status"), [(60.0, 200), (-1.0, 410)])
async def test_a_request_that_was_held_until_after_the_expiry_is_not_answered(
    world: GatewayWorld, seconds: float, status: int
) -> None:
    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    upstream = f"http://127.0.0.1:{await world.upstream(hello)}"
    route = {"host": HOST, "upstream": upstream}
    await world.start()
    expire(world, 60)
    world.write(f"routes/{HOST}.json", {**route, "asleep": True})
    held = asyncio.create_task(world.request(HOST))
    async with asyncio.timeout(10):
        while not (world.directory / "traffic.json").exists():
            await asyncio.sleep(0.01)
    expire(world, seconds)
    world.write(f"routes/{HOST}.json", route)
    assert (await held).status == status


async def test_a_stream_ends_when_the_deploy_expires(world: GatewayWorld) -> None:
    world.route(HOST, await world.upstream(endless))
    await world.start()
    expire(world, SOON)
    async with world.client.get(world.url(), headers={"Host": HOST}) as response:
        assert (response.status, await response.content.readany()) == (200, b"first")
        with pytest.raises(ClientError):
            await response.content.read()


async def test_a_request_without_an_answer_gets_the_page_when_the_deploy_expires(world: GatewayWorld) -> None:
    world.route(HOST, await world.upstream(silent))
    await world.start()
    expire(world, SOON)
    assert (await world.request(HOST)).status == 410


async def test_a_websocket_ends_when_the_deploy_expires(world: GatewayWorld) -> None:
    world.route(HOST, await world.upstream(socket))
    await world.start()
    expire(world, SOON)
    async with world.client.ws_connect(world.url(), headers={"Host": HOST}) as opened:
        message = await opened.receive(timeout=10)
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_an_extension_moves_the_end_of_what_is_open() -> None:
    """Virtual time: the end is looked up again when it is reached."""
    now, ends = [0.0], [0.01, 0.02, 0.02]

    def end() -> float:
        found = ends.pop(0)
        now[0] = found if not ends else now[0]
        return found

    with pytest.raises(DeployExpired):
        async with expiry_deadline.until(end, lambda: now[0]):
            await asyncio.Event().wait()
    assert ends == []


async def test_what_ends_earlier_is_not_interrupted() -> None:
    async with expiry_deadline.until(lambda: 60.0, lambda: 0.0):
        pass
    with pytest.raises(TimeoutError):
        async with expiry_deadline.until(lambda: 60.0, lambda: 0.0):
            raise TimeoutError
