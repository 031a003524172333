"""Paths of a host that other services answer (T2, L5): routes as the target `kubernetes` writes them, with Eph's
gateway in front."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from orchestrator.gateway.route_directory import LookupFailed, RouteDirectory
from programs.kit import routes
from programs.kit.routes import PathRoute, RouteRecord
from tests.gateway.conftest import GatewayWorld

HOST = "shop-gentle-stream-42.eph.test"


async def answer_as(name: str, request: web.BaseRequest) -> web.StreamResponse:
    if request.headers.get("Upgrade") != "websocket":
        return web.Response(text=f"{name} {request.rel_url.raw_path_qs}")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(name)
    await socket.close()
    return socket


def record(web_port: int, *paths: PathRoute) -> RouteRecord:
    return RouteRecord(HOST, f"http://127.0.0.1:{web_port}", "e", "web", "c", paths=paths)


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("/", "web"),
        ("/api", "api"),
        ("/api/orders?x=1", "api"),
        ("/apis", "web"),
        ("/API", "web"),
        ("/api/admin/x", "admin"),
        ("/api/admin", "exact"),
        ("/about", "exact"),
        ("/about/us", "web"),
        ("/x/api", "web"),
    ],
)
async def test_longest_path_decides_and_an_exact_one_first(world: GatewayWorld, path: str, answers: str) -> None:
    """The request reaches the service as it was sent, as behind an ingress controller."""
    ports = {name: await world.upstream(partial(answer_as, name)) for name in ("web", "api", "admin", "exact")}
    listed = (
        ("/api", False, "api"),
        ("/about", True, "exact"),
        ("/api/admin", False, "admin"),
        ("/api/admin", True, "exact"),
    )
    paths = [PathRoute(path, exact, f"http://127.0.0.1:{ports[name]}") for path, exact, name in listed]
    routes.write(world.directory / "routes", record(ports["web"], *paths))
    await world.start()
    assert await (await world.request(HOST, path)).text() == f"{answers} {path}"


async def test_paths_apply_to_uploads_and_websockets_and_change_with_the_next_request(world: GatewayWorld) -> None:
    web_port, api = [await world.upstream(partial(answer_as, name)) for name in ("web", "api")]
    folder = world.directory / "routes"
    routes.write(folder, record(web_port, PathRoute("/api", False, f"http://127.0.0.1:{api}")))
    await world.start()
    assert await (await world.request(HOST, "/api", method="POST", data=b"x")).text() == "api /api"
    url = f"http://127.0.0.1:{world.port}/api/events"
    async with world.client.ws_connect(url, headers={"Host": HOST}) as socket:
        assert (await socket.receive()).data == "api"
        assert (await socket.receive()).type is WSMsgType.CLOSE
    routes.write(folder, record(web_port))
    assert await (await world.request(HOST, "/api")).text() == "web /api"


def test_a_route_keeps_its_paths_on_disk_and_when_it_sleeps(tmp_path: Path) -> None:
    written = record(1, PathRoute("/api", False, "http://127.0.0.1:2"), PathRoute("/x", True, "http://127.0.0.1:3"))
    routes.write(tmp_path, written)
    routes.mark(tmp_path, "e", asleep=True)
    (read,) = routes.list_routes(tmp_path)
    assert (read.paths, read.asleep) == (written.paths, True)


@pytest.mark.parametrize("paths", ["x", [1], [{"path": "/api"}], [{"path": "/api", "upstream": "ftp://x"}], 1])
def test_paths_that_cannot_be_read_are_an_error_and_never_the_wrong_service(tmp_path: Path, paths: object) -> None:
    world = GatewayWorld(tmp_path, None, None)  # type: ignore[arg-type]  # only writes files
    world.write(f"routes/{HOST}.json", {"host": HOST, "upstream": "http://127.0.0.1:1", "paths": paths})
    with pytest.raises(LookupFailed):
        RouteDirectory(tmp_path).route(HOST)
