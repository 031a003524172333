"""The shop in a real browser: its page shows its products and no error. Skips itself (77) where there is none."""

import importlib
import os
import shutil
import sys


def skip(why):
    print(why)
    sys.exit(77)


def main():
    try:
        browsers = importlib.import_module("playwright.sync_api")  # a guest: Eph itself has no need of it
    except ImportError:
        skip("no Playwright here")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        skip("no Chromium here")
    with browsers.sync_playwright() as playwright:
        try:
            # It is in a sandbox already, and cannot make another one inside.
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        except browsers.Error as error:
            skip(f"Chromium does not start here: {str(error).splitlines()[0]}")
        token = os.environ.get("PREVIEW_TOKEN")
        page = browser.new_page(extra_http_headers={"X-Eph-Preview-Token": token} if token else {})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(os.environ["PREVIEW_URL"])
        products = page.locator("table tr").all_inner_texts()
        print(f"{page.title()}: {len(products)} products")
        page.screenshot(path="test-results/shop.png")
        browser.close()
    assert any("Apples" in product for product in products), products
    assert errors == [], errors


if __name__ == "__main__":
    main()
