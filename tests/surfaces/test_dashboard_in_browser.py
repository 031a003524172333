"""Every page of the dashboard in a real browser: accessible, no wider than a phone, usable by keyboard. Row: P6."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.suites.suite_results import SuiteState
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.page_links import PageTab
from orchestrator.core.views.phases import Phase
from orchestrator.runtime.suites import screenshot_files
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from programs.runtime_info import ProcessInfo, RuntimeInfo
from programs.screenshots import Picture, Screenshot, Screenshots
from programs.steps import StepEvent, StepEventKind
from tests import browsers
from tests.pictures import png
from tests.surfaces.api_server import TOKENS
from tests.surfaces.sample_costs import add_costs, with_cost

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(browsers.CHROMIUM is None, reason="needs Chromium"),
]

NAME = "shop-gentle-stream-42"
LONG = "an-unbroken-word-" * 12
PAGES = (
    "/",
    "/?q=nothing-like-this",
    "/activity",
    "/costs",
    *(f"/e/{NAME}?tab={tab}" for tab in PageTab),
    f"/e/{NAME}?tab=logs&line=Build",
    f"/e/{NAME}?confirm=1",
    "/server",
    "/settings?all=1",
    "/audit",
    "/removed",
    "/e/gone",
    f"/report?environment={NAME}",
)
PHONE, DESKTOP = (390, 844), (1280, 800)
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.chromium() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path) -> FakeEnvironmentService:
    failure = FailureView("9" * 40, "build", f"The command {LONG} ended with 2.", ("no rule",), START, 2, None)
    suite = SuiteView(
        "browser", "browser", SuiteState.FAILED, seconds=9.0, detail="exit status 1", tail=(LONG,), screenshots=2
    )
    desk = FakeEnvironmentService(
        replace(sample(42), title=LONG, tests=(suite,)),
        replace(sample(9, Phase.FAILED), failure=failure),
        sample(3, Phase.QUEUED, "demo/api"),
    )
    add_costs(desk)
    desk.put_environment(replace(with_cost(sample(42)), title=LONG, tests=(suite,)))
    desk.add_event("environment.ready", f"It answered. {LONG}", NAME)
    desk.add_log_lines(NAME, f"web listening {LONG}", *(f"web GET /{number}" for number in range(40)))
    add_steps(desk)
    add_screenshots(desk, tmp_path)
    desk.runtime_info_result = RuntimeInfo((ProcessInfo("web-1", "web", "running", "", 0, START, f"shop:{LONG}"),))
    return desk


def add_screenshots(desk: FakeEnvironmentService, folder: Path) -> None:
    names = ("cart-shows-the-total/test-failed-1.png", f"{LONG}.png")
    shots = tuple(Screenshot(name, Picture("png", 640, 400), png(640, 400)) for name in names)
    screenshot_files.save(folder, "browser", desk.environment(NAME).commit, Screenshots(shots, 1), ["browser"])
    desk.suite_folder = folder


def add_steps(desk: FakeEnvironmentService) -> None:
    for step, ok in (("Checkout", True), ("Build", False)):
        printed = tuple(f"{step} prints line {number} {LONG}" for number in range(1, 101))
        desk.step_events += [
            StepEvent(StepEventKind.STARTED, step, 1.0),
            StepEvent(StepEventKind.LINES, step, 1.0, printed),
            StepEvent(StepEventKind.ENDED, step, 2.0, seconds=1.0, ok=ok),
        ]


def _page(
    browser: Browser, url: str, size: tuple[int, int] = DESKTOP, scheme: Scheme = "light", *, scripts: bool = True
) -> Page:
    viewport: ViewportSize = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, base_url=url, java_script_enabled=scripts)
    page = context.new_page()
    page.goto("/")
    page.fill("#token", TOKENS["admin"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Environments", exact=True)).to_be_visible()
    page.wait_for_load_state("load")  # its script runs
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_accessibility_problems(browser: Browser, url: str, scheme: Scheme) -> None:
    page = _page(browser, url, scheme=scheme)
    found = {}
    for path in PAGES:
        page.goto(path)
        results = Axe().run(page)
        found[path] = results.generate_report() if results.violations_count else ""
    assert set(found.values()) == {""}, "\n".join(found.values())


def test_no_page_is_wider_than_a_phone(browser: Browser, url: str) -> None:
    page = _page(browser, url, PHONE)
    for path in PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], path


def test_keyboard(browser: Browser, url: str) -> None:
    page = _page(browser, url)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("tr.selected")).to_have_count(1)
    name = page.locator("tr.selected a.name").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_role("heading", name="Environments", exact=True)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("api")
    page.keyboard.press("Enter")
    expect(page.locator("table tbody tr")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_link_to_a_line_opens_its_step_there(browser: Browser, url: str, scripts: bool) -> None:
    """The line is in a step that is closed, and far down."""
    page = _page(browser, url, scripts=scripts)
    page.goto(f"/e/{NAME}?tab=logs")
    link = page.locator("#output details").first.get_by_text("90", exact=True)
    expect(link).not_to_be_visible()
    page.locator("summary").first.click()
    link.click()
    expect(page.locator(".marked")).to_have_text(re.compile("Checkout prints line 90 "))
    page.goto(page.url)
    expect(page.locator(".marked")).to_be_in_viewport()


def test_lines_are_selected_by_keyboard_while_the_log_grows(
    browser: Browser, url: str, desk: FakeEnvironmentService
) -> None:
    page = _page(browser, url)
    page.goto(f"/e/{NAME}?tab=logs&line=Build")
    expect(page.locator(".marked")).to_have_text(re.compile("Build prints line 100 "))
    page.locator(".marked a").focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    desk.add_log_lines(NAME, "web later")
    expect(page.get_by_text("web later")).to_be_attached(timeout=15_000)
    expect(page.locator("a:focus")).to_have_text("97")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".marked")).to_have_count(4)
    # One stop of the Tab key for each log, besides the log itself.
    assert page.locator("#output pre").nth(1).locator('a[tabindex="0"]').count() == 1
    page.locator("#services pre").focus()
    page.keyboard.press("Tab")
    expect(page.locator("a:focus")).to_have_text("#")
    page.keyboard.press("Enter")
    expect(page.locator(".marked")).to_have_text(re.compile("web later"))


def test_screenshots_load(browser: Browser, url: str) -> None:
    page = _page(browser, url)
    page.goto(f"/e/{NAME}?tab=tests")
    picture = page.locator(".pictures img").first
    expect(picture).to_be_visible()
    page.wait_for_function("document.querySelector('.pictures img').naturalWidth === 640")
    picture.click()
    expect(page).to_have_url(re.compile(r"/suites/browser/screenshots/0\.png$"))


def test_selected_lines_are_copied_without_their_numbers(browser: Browser, url: str) -> None:
    page = _page(browser, url)
    page.goto(f"/e/{NAME}?tab=logs&line=Build")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('pre:has(.marked)'))")
    copied = page.evaluate("getSelection().toString()").strip().splitlines()
    assert [line.split()[:4] for line in copied] == [["Build", "prints", "line", str(n)] for n in range(1, 101)]


def test_page_keeps_itself_current_without_losing_the_place(
    browser: Browser, url: str, desk: FakeEnvironmentService
) -> None:
    page = _page(browser, url)
    page.keyboard.press("j")
    desk.put_environment(replace(sample(77), title="Arrived later"))
    expect(page.get_by_text("Arrived later")).to_be_visible(timeout=15_000)
    expect(page.locator("tr.selected")).to_have_count(1)


def test_page_works_without_scripts(browser: Browser, url: str) -> None:
    context: BrowserContext = browser.new_context(java_script_enabled=False, base_url=url)
    page = context.new_page()
    page.goto("/")
    page.fill("#token", TOKENS["admin"])
    page.get_by_role("button", name="Sign in").click()
    page.fill("input[type=search]", "api")
    page.locator(".filters button").click()
    expect(page.locator("table tbody tr")).to_have_count(1)
