"""What test suites printed and left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.runtime.suites.screenshot_files import ScreenshotContent, SuiteScreenshots
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from orchestrator.service import wording
from orchestrator.service.port import RefusalReason, RequestRefused


@dataclass(frozen=True, slots=True)
class SuiteOutput:
    """``environment`` finds a view by name, or raises EnvironmentNotFound."""

    environment: Callable[[str], EnvironmentView]
    runner: SuiteRunner

    async def log_lines(self, name: str, suite: str, lines: int) -> list[str]:
        view = self._find(name, suite)
        return await asyncio.to_thread(self.runner.log_lines, view.ref, suite, lines)

    async def screenshots(self, name: str, suite: str) -> SuiteScreenshots:
        view = self._find(name, suite)
        return await asyncio.to_thread(self.runner.screenshots, view.ref, suite, view.commit)

    async def screenshot(self, name: str, suite: str, file: str) -> ScreenshotContent | None:
        view = self._find(name, suite)
        return await asyncio.to_thread(self.runner.screenshot, view.ref, suite, file)

    def _find(self, name: str, suite: str) -> EnvironmentView:
        """A suite's name is part of a path on disk, so it must be one of the environment's."""
        view = self.environment(name)
        known = [each.name for each in view.tests]
        if suite not in known:
            raise RequestRefused(RefusalReason.UNKNOWN_SUITE, wording.unknown_suite(view.name, suite, known))
        return view
