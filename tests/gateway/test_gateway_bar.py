"""The bar on a preview's pages (P13): which responses get it, and that all others stay as they are."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Mapping

import pytest
from aiohttp import ClientPayloadError, ClientResponse, ServerDisconnectedError, web

from tests.gateway.conftest import GatewayWorld

HOST = "shop-gentle-stream-42.eph.test"
PAGE = "<!doctype html><html><head><title>Shop</title></head><body><h1>Shöp</h1></body></html>"
BROWSER = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Accept": "text/html", "Accept-Encoding": "gzip"}
BAR: dict[str, object] = {
    "commit": "0123456789abcdef",
    "expires_at": 4_000_000_000.0,
    "page_url": "https://eph.test/e/shop-x-1",
    "pull_url": "https://git.example.com/acme/shop/pull/42",
}
MARK = "<eph-bar "


async def serve(
    world: GatewayWorld,
    headers: Mapping[str, str] | None = None,
    body: bytes = PAGE.encode(),
    status: int = 200,
    bar: object = BAR,
) -> list[web.BaseRequest]:
    """Returns the requests that reach the preview."""
    seen: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request)
        return web.Response(body=body, status=status, headers={"Content-Type": "text/html", **(headers or {})})

    world.route(HOST, await world.upstream(answer))
    world.state(HOST, phase="ready", **({} if bar is None else {"bar": bar}))
    await world.start()
    return seen


async def text_of(answer: ClientResponse) -> str:
    return (await answer.read()).decode()


async def test_page_has_the_bar_after_its_own_content(world: GatewayWorld) -> None:
    """P13: environment, commit, expiry and links, all escaped; the page itself is unchanged."""
    await serve(world, bar={**BAR, "commit": '"><script>'})
    answer = await world.request(HOST, "/cart/%3Cb%3E?token=secret", headers=BROWSER)
    text = await text_of(answer)
    assert text.startswith(PAGE)
    assert answer.headers["Content-Length"] == str(len(text.encode()))
    bar = text.removeprefix(PAGE)
    assert "<script" not in bar
    assert "secret" not in bar
    links = re.findall(r'<a href="([^"]*)"', bar)
    assert links == [
        "https://eph.test/e/shop-x-1#logs",
        "https://eph.test/e/shop-x-1",
        "https://eph.test/shares?environment=shop-x-1",
        "https://eph.test/e/shop-x-1#actions",
        "https://git.example.com/acme/shop/pull/42",
        "https://eph.test/report?environment=shop-x-1&amp;path=%2Fcart%2F%253Cb%253E",
    ]


@pytest.mark.parametrize("bar", [None, "yes", 3, []])
async def test_page_stays_as_it_is_without_a_bar(world: GatewayWorld, bar: object) -> None:
    seen = await serve(world, bar=bar)
    assert await text_of(await world.request(HOST, headers={**BROWSER, "If-None-Match": '"1"'})) == PAGE
    assert seen[0].headers["If-None-Match"] == '"1"'
    assert seen[0].headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "sent",
    [
        {"Accept": "text/html"},
        {**BROWSER, "Sec-Fetch-Dest": "iframe"},
        {**BROWSER, "Sec-Fetch-Dest": "empty"},
        {**BROWSER, "Range": "bytes=0-"},
    ],
)
async def test_only_what_a_person_opens_has_the_bar(world: GatewayWorld, sent: dict[str, str]) -> None:
    await serve(world, {"ETag": '"1"'})
    answer = await world.request(HOST, headers=sent)
    assert await text_of(answer) == PAGE
    assert answer.headers["ETag"] == '"1"'


async def test_browser_without_tls_states_no_destination(world: GatewayWorld) -> None:
    await serve(world)
    sent = {"Accept": "text/html,*/*", "Upgrade-Insecure-Requests": "1"}
    assert MARK in await text_of(await world.request(HOST, headers=sent))


@pytest.mark.parametrize("status", [201, 404, 500])
async def test_other_statuses_stay_as_they_are(world: GatewayWorld, status: int) -> None:
    await serve(world, status=status)
    assert MARK not in await text_of(await world.request(HOST, headers=BROWSER))


@pytest.mark.parametrize(
    ("headers", "has_bar"),
    [
        ({"Content-Type": "text/html; charset=UTF-8"}, True),
        ({"Content-Type": "text/html; charset=utf-16"}, False),
        ({"Content-Type": "application/json"}, False),
        ({"Content-Disposition": "attachment; filename=a.html"}, False),
        ({"Cache-Control": "private, no-transform"}, False),
        ({"Content-Encoding": "br"}, False),
        ({"Content-Security-Policy": "default-src 'none'"}, False),
        ({"Content-Security-Policy": "sandbox allow-scripts; style-src *"}, False),
        ({"Content-Security-Policy": "style-src 'nonce-abc' 'unsafe-inline'"}, False),
        ({"Content-Security-Policy": "default-src https: 'unsafe-inline'"}, True),
        ({"Content-Security-Policy": "default-src 'self'"}, True),
        ({"Content-Security-Policy": "style-src 'unsafe-inline', style-src 'self'"}, False),
        ({"Content-Security-Policy-Report-Only": "style-src 'none'"}, False),
        ({"Content-Security-Policy": "script-src 'none'; frame-ancestors 'none'"}, True),
    ],
)
async def test_page_gets_the_bar_if_its_headers_allow_it(
    world: GatewayWorld, headers: dict[str, str], has_bar: bool
) -> None:
    """The policy itself is never changed."""
    await serve(world, headers)
    answer = await world.request(HOST, headers=BROWSER)
    body = await answer.read()
    assert (MARK.encode() in body) is has_bar
    assert body.startswith(PAGE.encode())
    for name, value in headers.items():
        assert answer.headers[name] == value


async def test_policy_without_inline_styles_gets_a_linked_style_sheet(world: GatewayWorld) -> None:
    seen = await serve(world, {"Content-Security-Policy": "default-src 'self'"})
    text = await text_of(await world.request(HOST, headers=BROWSER))
    assert '<link rel="stylesheet" href="/_eph/bar.css">' in text
    assert "<style" not in text
    style = await world.request(HOST, "/_eph/bar.css", headers={"Sec-Fetch-Dest": "style"})
    assert style.content_type == "text/css"
    assert ":host" in await text_of(style)
    assert len(seen) == 1


async def test_compressed_page_is_decompressed(world: GatewayWorld) -> None:
    """A preview may compress although the gateway asks it not to; also in several members."""
    packed = gzip.compress(PAGE[:30].encode()) + gzip.compress(PAGE[30:].encode())
    seen = await serve(world, {"Content-Encoding": "gzip"}, packed)
    answer = await world.request(HOST, headers=BROWSER)
    text = await text_of(answer)
    assert text.startswith(PAGE + "\n" + MARK)
    assert "Content-Encoding" not in answer.headers
    assert seen[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("body", [gzip.compress(PAGE.encode())[:-9], b"no gzip at all"], ids=["cut", "no-gzip"])
async def test_broken_compressed_page_is_broken_for_the_browser(world: GatewayWorld, body: bytes) -> None:
    await serve(world, {"Content-Encoding": "gzip"}, body)
    with pytest.raises((ClientPayloadError, ServerDisconnectedError)):
        await world.request(HOST, headers=BROWSER)


async def test_page_that_expands_to_much_is_sent_in_pieces(world: GatewayWorld) -> None:
    size = 20_000_000
    await serve(world, {"Content-Encoding": "gzip"}, gzip.compress(b" " * size))
    body = await (await world.request(HOST, headers=BROWSER)).read()
    assert body[:size].count(b" ") == size
    assert body[size:].startswith(b"\n<eph-bar ")


async def test_page_with_the_bar_has_no_validators(world: GatewayWorld) -> None:
    """They describe the page without it. The browser's condition isn't forwarded either."""
    seen = await serve(world, {"ETag": '"1"', "Last-Modified": "Sat, 01 Jan 2028 00:00:00 GMT", "Vary": "Cookie"})
    answer = await world.request(HOST, headers={**BROWSER, "If-None-Match": '"1"'})
    assert MARK in await text_of(answer)
    assert not {"ETag", "Last-Modified"} & set(answer.headers)
    assert answer.headers["Vary"] == "Cookie"
    assert "If-None-Match" not in seen[0].headers


async def test_head_is_answered_by_the_preview(world: GatewayWorld) -> None:
    await serve(world, {"ETag": '"1"'})
    answer = await world.request(HOST, method="HEAD", headers=BROWSER)
    assert answer.headers["Content-Length"] == str(len(PAGE.encode()))
    assert answer.headers["ETag"] == '"1"'


async def test_page_is_streamed_while_the_preview_writes_it(world: GatewayWorld) -> None:
    """P13: the first part arrives before the last one exists, and the bar comes at the end."""
    received: list[bytes] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(b"<p>first")
        await first_seen.wait()
        await response.write(b"<p>last")
        await response.write_eof()
        return response

    first_seen = asyncio.Event()
    world.route(HOST, await world.upstream(answer))
    world.state(HOST, phase="ready", bar=BAR)
    await world.start()
    async with world.client.get(world.url(), headers={"Host": HOST, **BROWSER}) as response:
        while b"first" not in b"".join(received):
            received.append(await response.content.readany())
        first_seen.set()
        received.append(await response.content.read())
    whole = b"".join(received).decode()
    assert whole.startswith(f"<p>first<p>last\n{MARK}")
