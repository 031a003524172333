"""The bar in a real browser: accessible, usable by keyboard, hidden where the page forbids its style. Row: P13."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests import browsers
from tests.gateway.conftest import GatewayWorld

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(browsers.CHROMIUM is None, reason="needs Chromium"),
]

HOST = "shop-gentle-stream-42.localhost"
BAR = {
    "commit": "0123456789abcdef",
    "expires_at": 4_000_000_000.0,
    "page_url": "http://localhost/e/shop-x-1",
    "pull_url": "http://localhost/pull/42",
}
STYLE = "*{display:none!important} head,html,body,main,h1{display:block!important} a{color:#eee!important}"
PAGE = f"<!doctype html><html lang=en><title>Shop</title><style>{STYLE}</style><body><main><h1>Shop</h1></main>"
META = '<meta http-equiv="Content-Security-Policy" content="style-src \'none\'">'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.chromium() as made:
        yield made


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A gateway in a thread: the browser's driver has its own loop in this one."""
    ready, stop = threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def run() -> None:
        async with AsyncExitStack() as stack:
            world = GatewayWorld(tmp_path, stack, await stack.enter_async_context(ClientSession()))
            (tmp_path / "routes").mkdir()
            world.route(HOST, await world.upstream(answer))
            world.state(HOST, phase="ready", bar=BAR)
            await world.start()
            found.update(port=world.port, loop=asyncio.get_running_loop())
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield found["port"]
    found["loop"].call_soon_threadsafe(stop.set)
    thread.join(30)


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    page = PAGE.replace("<style>", f"{META}<style>") if request.path == "/meta" else PAGE
    headers = {"Content-Security-Policy": "default-src 'self'"} if request.path == "/self" else {}
    return web.Response(text=page, content_type="text/html", headers=headers)


def opened(browser: Browser, port: int, path: str) -> Page:
    page = browser.new_context(viewport={"width": 390, "height": 700}).new_page()
    page.goto(f"http://{HOST}:{port}{path}")
    return page


@pytest.mark.parametrize("path", ["/cart", "/self"])
def test_bar_is_accessible_and_works_by_keyboard(browser: Browser, port: int, path: str) -> None:
    """Whatever the page's own style sheet says."""
    page = opened(browser, port, path)
    summary = page.locator("eph-bar summary")
    expect(summary).to_be_visible()
    expect(summary).to_contain_text("shop-x-1")
    expect(summary).to_contain_text("0123456")
    links = page.locator("eph-bar a")
    expect(links.first).not_to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(links).to_have_text(["Logs", "Dashboard", "Share", "Extend", "Pull request", "Report a problem"])
    expect(links.last).to_be_visible()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.body.lastElementChild.localName") == "eph-bar"


def test_page_that_forbids_styles_shows_no_bar(browser: Browser, port: int) -> None:
    """Its policy is in the document, where the gateway doesn't look."""
    page = opened(browser, port, "/meta")
    expect(page.locator("eph-bar")).to_have_count(1)
    expect(page.locator("eph-bar summary")).not_to_be_visible()


def test_data_that_the_page_fetches_has_no_bar(browser: Browser, port: int) -> None:
    page = opened(browser, port, "/cart")
    text = page.evaluate("fetch('/part').then(response => response.text())")
    assert text.startswith("<!doctype html>")
    assert "eph-bar" not in text
