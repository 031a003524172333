"""What the gateway forwards, and how: P3's transport, S5's headers, with real servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientResponse, web
from multidict import CIMultiDict

from orchestrator.demo.free_ports import free_port
from orchestrator.gateway.proxy.headers import in_networks
from tests.gateway.conftest import GatewayWorld, Handler

HOST = "shop-gentle-stream-42.eph.test"


async def echo(request: web.BaseRequest) -> web.Response:
    body = await request.read()
    lines = [f"{request.method} {request.raw_path}", *(f"{key}: {value}" for key, value in request.headers.items())]
    return web.Response(
        text="\n".join([*lines, "", body.decode()]), headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b")]
    )


async def serve(world: GatewayWorld, handler: Handler = echo, **settings: Any) -> None:
    world.route(HOST, await world.upstream(handler))
    await world.start(**settings)


async def test_a_request_arrives_as_it_was_sent(world: GatewayWorld) -> None:
    await serve(world)
    path = "//a/../b%2Fc;x=1?q=%20a+b&q=&%C3%A4"
    answer = await world.request(HOST, path, "POST", {"X-Mine": "é", "Host": f"{HOST.upper()}.:8080"}, b"hello")
    text = await answer.text()
    assert text.startswith(f"POST {path}\n")
    assert text.endswith("\nhello")
    assert f"Host: {HOST.upper()}.:8080\n" in text
    assert "X-Mine: é\n" in text
    assert answer.headers.getall("Set-Cookie") == ["a=1", "b"]


async def test_clients_cannot_forge_their_identity(world: GatewayWorld) -> None:
    await serve(world)
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil",
        "Forwarded": "for=6",
    }
    text = await (await world.request(HOST, headers={**forged, "X-Real-IP": "6.6.6.6"})).text()
    assert "6.6.6.6" not in text
    assert "evil" not in text
    assert "X-Forwarded-For: 127.0.0.1\n" in text
    assert "X-Forwarded-Proto: http\n" in text
    assert f"X-Forwarded-Host: {HOST}\n" in text
    assert "\nForwarded" not in text


async def test_trusted_proxy_is_believed_about_its_last_hop(world: GatewayWorld) -> None:
    await serve(world, trusted_proxies=frozenset({"10.0.0.0/8", "127.0.0.0/8"}))
    said = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}
    text = await (await world.request(HOST, headers=said)).text()
    assert "X-Forwarded-For: 203.0.113.9\n" in text
    assert "X-Forwarded-Proto: https\n" in text


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1, 10.0.0.1", "6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, unknown"], "127.0.0.1"),
        (["203.0.113.9", ""], "127.0.0.1"),
    ],
)
async def test_what_a_client_sends_before_a_trusted_proxy_is_ignored(
    world: GatewayWorld, lines: list[str], found: str
) -> None:
    """S5: some proxies add a line of their own instead of appending to the client's."""
    await serve(world, trusted_proxies=frozenset({"127.0.0.0/8"}))
    headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
    assert f"X-Forwarded-For: {found}\n" in await (await world.request(HOST, headers=headers)).text()


@pytest.mark.parametrize(
    ("address", "networks", "found"),
    [
        ("10.244.0.7", ["10.0.0.0/8"], True),
        ("::ffff:10.244.0.7", ["10.0.0.0/8"], True),
        ("fd00::7", ["10.0.0.0/8", "fd00::/8"], True),
        ("11.0.0.7", ["10.0.0.0/8", "fd00::/8"], False),
        ("127.0.0.1", [], False),
        ("", ["0.0.0.0/0"], False),
    ],
)
def test_trusted_proxies_are_networks(address: str, networks: list[str], found: bool) -> None:
    """An ingress controller in a cluster has another address after each restart."""
    assert in_networks(address, frozenset(networks)) is found


async def test_hop_by_hop_headers_are_not_forwarded(world: GatewayWorld) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        answer = await echo(request)
        answer.headers.update({"Connection": "X-Private", "X-Private": "1", "Proxy-Authenticate": "x"})
        return answer

    await serve(world, handler)
    sent = {"Connection": "keep-alive, X-Secret", "X-Secret": "1", "TE": "trailers", "Proxy-Authorization": "x"}
    answer = await world.request(HOST, headers=sent)
    text = await answer.text()
    assert not {"X-Secret", "TE", "Proxy-Authorization"} & {line.partition(":")[0] for line in text.splitlines()}
    assert not {"X-Private", "Proxy-Authenticate"} & set(answer.headers)


async def test_previews_are_not_indexed_by_search_engines(world: GatewayWorld) -> None:
    """S5: robots.txt itself is forwarded, and the header is on every response, whatever the app says."""

    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(text=f"robots of {request.raw_path}", headers={"X-Robots-Tag": "all"})

    await serve(world, handler)
    answer = await world.request(HOST, "/robots.txt")
    assert await answer.text() == "robots of /robots.txt"
    assert answer.headers.getall("X-Robots-Tag") == ["noindex, nofollow"]


async def test_head_range_and_not_modified_keep_their_meaning(world: GatewayWorld) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        if "Range" in request.headers:
            return web.Response(status=206, body=b"cd", headers={"Content-Range": "bytes 2-3/9"})
        return web.Response(status=304) if "If-None-Match" in request.headers else web.Response(body=b"123456789")

    await serve(world, handler)
    head = await world.request(HOST, method="HEAD")
    assert (head.status, head.headers["Content-Length"], await head.read()) == (200, "9", b"")
    part = await world.request(HOST, headers={"Range": "bytes=2-3"})
    assert (part.status, part.headers["Content-Range"], await part.read()) == (206, "bytes 2-3/9", b"cd")
    assert (await world.request(HOST, headers={"If-None-Match": "x"})).status == 304


async def test_bodies_are_neither_decompressed_nor_given_a_type(world: GatewayWorld) -> None:
    packed = gzip.compress(b"hello" * 100)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        assert await request.read() == b"hello" * 100  # decompressed by the upstream itself, so it arrived compressed
        response = UntypedResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        await response.write(packed)
        return response

    await serve(world, handler)
    answer = await world.request(HOST, method="POST", headers={"Content-Encoding": "gzip"}, data=packed)
    assert await answer.read() == packed
    assert "Content-Type" not in answer.headers


class UntypedResponse(web.StreamResponse):
    """Without the content type that aiohttp adds."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Content-Type", None)


async def open_stream(world: GatewayWorld, **headers: str) -> ClientResponse:
    return await world.client.get(world.url(), headers={"Host": HOST, **headers})


async def test_an_event_stream_arrives_event_by_event(world: GatewayWorld) -> None:
    go_on = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await go_on.wait()
        await response.write(b"data: 1\n\n")
        go_on.clear()
        await go_on.wait()
        await response.write(b"data: 2\n\n")
        return response

    await serve(world, handler)
    answer = await open_stream(world)  # the head arrives before any event
    for expected in (b"data: 1\n\n", b"data: 2\n\n"):
        go_on.set()
        assert await answer.content.readany() == expected
    assert await answer.content.read() == b""


async def test_upload_gets_its_response_while_it_continues(world: GatewayWorld) -> None:
    """Chunks come back one by one, so nothing is buffered in either direction."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk.upper())
        return response

    await serve(world, handler)
    parts: asyncio.Queue[bytes] = asyncio.Queue()

    async def upload() -> AsyncIterator[bytes]:
        while part := await parts.get():
            yield part

    await parts.put(b"one")
    answer = await world.client.post(world.url(), headers={"Host": HOST}, data=upload())
    assert await answer.content.readany() == b"ONE"
    await parts.put(b"two")
    assert await answer.content.readany() == b"TWO"
    await parts.put(b"")
    assert await answer.content.read() == b""


async def test_large_body_is_complete_in_both_directions(world: GatewayWorld) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        return response

    await serve(world, handler)
    body = bytes(range(256)) * 40_000  # 10 MB
    assert await (await world.request(HOST, method="PUT", data=io.BytesIO(body))).read() == body


async def test_expect_100_continue_is_answered(world: GatewayWorld) -> None:
    await serve(world)
    answer = await world.client.post(world.url(), headers={"Host": HOST}, data=b"large", expect100=True)
    text = await answer.text()
    assert text.endswith("\nlarge")
    assert "Expect" not in text


async def test_truncated_response_does_not_look_complete(world: GatewayWorld) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    await serve(world, handler)
    answer = await open_stream(world)
    with pytest.raises((ClientPayloadError, ConnectionError)):
        await answer.read()


async def test_disconnected_client_ends_the_upstream_request(world: GatewayWorld) -> None:
    ended = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return response

    await serve(world, handler)
    (await open_stream(world)).close()
    await asyncio.wait_for(ended.wait(), 2)


async def test_restart_in_progress_is_invisible(world: GatewayWorld) -> None:
    """P3: the service comes back within a second, on another port."""
    world.route(HOST, free_port())
    await world.start()
    asking = asyncio.create_task(world.request(HOST, method="POST", data=b"once"))
    await asyncio.sleep(0.1)
    world.route(HOST, await world.upstream(echo))
    answer = await asking
    assert answer.status == 200
    assert (await answer.text()).endswith("\nonce")


@pytest.mark.parametrize(("method", "status", "tries"), [("GET", 200, 2), ("POST", 502, 1)])
async def test_dropped_connection_is_retried_only_if_safe(
    world: GatewayWorld, method: str, status: int, tries: int
) -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.method)
        if len(seen) == 1 and request.transport is not None:
            request.transport.abort()
        return web.Response(text="ok")

    await serve(world, handler)
    answer = await world.request(HOST, method=method, data=b"x" if method == "POST" else None)
    assert (answer.status, len(seen)) == (status, tries)


async def test_invalid_http_becomes_a_page(world: GatewayWorld) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        world.route(HOST, server.sockets[0].getsockname()[1])
        await world.start()
        answer = await world.request(HOST)
        assert answer.status == 502
        assert "not valid HTTP" in await answer.text()


async def test_redirects_and_cookies_belong_to_the_client(world: GatewayWorld) -> None:
    """The gateway follows no redirects, and keeps no cookies."""

    async def handler(request: web.BaseRequest) -> web.Response:
        seen = request.headers.get("Cookie", "none")
        return web.Response(status=302, headers={"Location": f"/next?{seen}", "Set-Cookie": "a=1"})

    await serve(world, handler)
    for _ in range(2):
        world.client.cookie_jar.clear()
        answer = await world.request(HOST)
        assert (answer.status, answer.headers["Location"]) == (302, "/next?none")


async def test_header_bytes_that_are_not_utf8_do_not_break_a_response(world: GatewayWorld) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        world.route(HOST, server.sockets[0].getsockname()[1])
        await world.start()
        answer = await world.request(HOST)
        assert (answer.status, answer.headers["X-Name"]) == (200, "café")


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_Proto", "X_Real_IP", "x_eph_preview_token"])
async def test_underscores_do_not_hide_a_forged_header(world: GatewayWorld, name: str) -> None:
    """CGI and WSGI servers read X_Forwarded_For as X-Forwarded-For."""
    await serve(world)
    assert "6.6.6.6" not in await (await world.request(HOST, headers={name: "6.6.6.6"})).text()


async def test_connection_header_cannot_remove_the_host(world: GatewayWorld) -> None:
    await serve(world)
    text = await (await world.request(HOST, headers={"Connection": "Host, Origin", "Origin": "http://x"})).text()
    assert f"Host: {HOST}\n" in text
    assert "Origin: http://x\n" in text


async def test_preview_affects_only_its_own_host(world: GatewayWorld) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        cookies = ["a=1; Domain=.eph.test; Path=/", "b=2; domain = eph.test", f"c=3; Domain={HOST}", "d=domain=x"]
        headers = [("Clear-Site-Data", '"cookies"'), ("Strict-Transport-Security", "max-age=9; includeSubDomains")]
        headers += [("X-Accel-Redirect", "/private/key"), ("X-Sendfile", "/etc/passwd")]
        return web.Response(headers=[*headers, *(("Set-Cookie", cookie) for cookie in cookies)])

    await serve(world, handler)
    answer = await world.request(HOST)
    assert answer.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2", f"c=3; Domain={HOST}", "d=domain=x"]
    gone = {"Clear-Site-Data", "Strict-Transport-Security", "X-Accel-Redirect", "X-Sendfile"}
    assert not gone & set(answer.headers)


@pytest.mark.parametrize(
    ("method", "reason"), [("GET", b"\xff\xfe"), ("DELETE", b"\xff"), ("GET", b"a\tb"), ("GET", b"")]
)
async def test_odd_reason_phrase_does_not_break_a_response(world: GatewayWorld, method: str, reason: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 " + reason + b"\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        world.route(HOST, server.sockets[0].getsockname()[1])
        await world.start()
        response = await world.request(HOST, method=method)
        assert (response.status, await response.text()) == (200, "ok")
