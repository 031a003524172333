"""Makes the pictures in docs/images from a real ephd: ``make screenshots``."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect

from tests import browsers
from tests.e2e import site as sites
from tests.e2e.site import Site

IMAGES = sites.ROOT / "docs" / "images"
BAR_SIZE = ViewportSize(width=760, height=420)
SIZE = ViewportSize(width=1100, height=640)
ASLEEP = (sites.SHOP / "eph.yaml").read_text() + "environment:\n  idle_timeout: 1s\n"


DEMO_SHOP = sites.ROOT / "orchestrator" / "demo" / "shop"


def shop_with_bar() -> dict[str, str]:
    """The shop of the demo, which has a page for people. Without suites, which take a while."""
    found = {
        str(path.relative_to(DEMO_SHOP)): path for path in DEMO_SHOP.rglob("*.*") if "__pycache__" not in path.parts
    }
    files = {name: path.read_text() for name, path in found.items() if path.is_file()}
    eph_yaml = files["eph.yaml"].partition("\ntests:")[0].replace("environment:\n", "environment:\n  bar: true\n")
    return {**files, "eph.yaml": f"{eph_yaml}\n"}


def main() -> int:
    if browsers.CHROMIUM is None:
        sys.stderr.write("screenshots: Chromium is missing; run make browser\n")
        return 1
    with sites.running_site() as site, browsers.chromium() as browser:
        site.open_pull("free-delivery", {"build.sh": "echo 'no such module: delivery' >&2; exit 1\n"})
        site.preview("quiet-night", {"eph.yaml": ASLEEP})
        number, _ = site.open_pull("warmer-colour", shop_with_bar())
        site.preview("sell-tea")
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=SIZE, color_scheme=scheme, device_scale_factor=1.5)
            _take(site, context.new_page(), IMAGES / f"dashboard-{scheme}.png")
        _take_bar(
            site, site.wait_for_host(number), browser.new_context(viewport=BAR_SIZE, device_scale_factor=1.5).new_page()
        )
    return 0


def _take_bar(site: Site, host: str, page: Page) -> None:
    path = IMAGES / "preview-bar.png"
    page.goto(f"http://{host}:{site.gateway_port}/")
    page.locator("eph-bar summary").click()
    page.screenshot(path=path)
    sys.stdout.write(f"{path.relative_to(sites.ROOT)}: {path.stat().st_size // 1024} KB\n")


def _take(site: Site, page: Page, path: Path) -> None:
    page.goto(site.api_url(f"?token={site.api_token}"))
    expect(page.locator(".phase", has_text="ready")).to_have_count(2, timeout=60_000)
    expect(page.locator(".phase", has_text="asleep")).to_have_count(1, timeout=60_000)
    page.screenshot(path=path)
    sys.stdout.write(f"{path.relative_to(sites.ROOT)}: {path.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    sys.exit(main())
