"""Sign-in in a real browser, with its own rules for cookies and sites. Rows: S1, S5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests import browsers
from tests.auth.conftest import SignInWorld
from tests.auth.identity_provider import ADA, GRACE
from tests.auth.preview_gateway import serving_previews
from tests.auth.test_preview_access import HOST

pytestmark = [pytest.mark.real, pytest.mark.skipif(browsers.CHROMIUM is None, reason="needs Chromium")]


@pytest.fixture
def page() -> Iterator[Page]:
    with browsers.chromium() as browser:
        yield browser.new_page()


@pytest.mark.long
def test_dashboard(world: SignInWorld, page: Page) -> None:
    """After the sign-in, people are on the page that they opened."""
    environment = f"{world.provider.eph_url}/e/shop-gentle-stream-42"
    page.goto(environment)
    page.get_by_role("link", name="Sign in with localhost").click()
    page.locator("button", has_text=GRACE).click()
    page.wait_for_url(environment)
    assert GRACE in page.locator("header").inner_text()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("text=Sign in with a token")


@pytest.mark.long
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
