"""Sign-in in a real browser, with its own rules for cookies and sites. Rows: S1, S5."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.auth.conftest import SignInWorld
from tests.auth.identity_provider import ADA, GRACE
from tests.auth.preview_gateway import serving_previews
from tests.auth.test_preview_access import HOST

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.real, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--no-proxy-server"])
        try:
            yield browser.new_page()
        finally:
            browser.close()


def test_dashboard(world: SignInWorld, page: Page) -> None:
    """Whoever opens a page returns to it after the sign-in."""
    environment = f"{world.provider.eph_url}/e/shop-gentle-stream-42"
    page.goto(environment)
    page.get_by_role("link", name="Sign in with localhost").click()
    page.locator("button", has_text=GRACE).click()
    page.wait_for_url(environment)
    assert GRACE in page.locator("header").inner_text()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("text=Sign in with a token")


def test_preview(world: SignInWorld, page: Page, tmp_path: Path) -> None:
    """The preview and the dashboard are different sites, so strict cookies stay behind on the way."""
    with serving_previews(tmp_path, world.gateway_port, world.provider.eph_url) as previews:
        previews.protect(HOST, ADA)
        page.goto(previews.url(path="/cart?a=1"))
        page.locator("button", has_text=ADA).click()
        page.wait_for_selector("text=PREVIEW /cart?a=1")
        page.goto(previews.url(path="/next"))
        page.wait_for_selector("text=PREVIEW /next")
        assert page.evaluate("document.cookie") == ""
        second = "api-gentle-stream-3.localhost"
        previews.protect(second, ADA)
        page.goto(previews.url(second))  # the dashboard remembers the person
        page.wait_for_selector("text=PREVIEW /")
