"""The part of the service that shows the screenshots of test suites."""

from __future__ import annotations

from typing import Protocol

from orchestrator.runtime.suites.screenshot_files import ScreenshotContent, SuiteScreenshots


class ShowsScreenshots(Protocol):
    async def screenshots(self, name: str, suite: str) -> SuiteScreenshots:
        """Those of the suite's run on the live commit."""

    async def screenshot(self, name: str, suite: str, file: str) -> ScreenshotContent | None:
        """One of them by its file; None if there is none."""
