"""The story on the target `program`: the same steps, with pages that are resources of a Pulumi project."""

from __future__ import annotations

import httpx

from orchestrator.demo.cloud import cloud_repository
from orchestrator.demo.story import wording
from orchestrator.demo.story.blackbox import StepFailed
from orchestrator.demo.story.story import UPDATE_TIMEOUT, Preview, Story

PAGE = (cloud_repository.FOLDER / "page.html").read_text()


class ProjectStory(Story):
    rows: tuple[str, ...] = ("shop",)

    async def _push(self, preview: Preview) -> str:
        self._say(wording.pushing(preview, wording.COLOUR_CHANGE))
        return await self._push_page(preview, PAGE.replace("#2563eb", "#16a34a"), "#16a34a")

    async def _push_page(self, preview: Preview, page: str, part: str) -> str:
        sha = await self._push_files(preview, {"page.html": page}, wording.ANOTHER_PAGE)
        self.result.update = await self._wait_for_page(wording.PUSH_IS_LIVE, preview, sha, part)
        self._say(wording.push_live(preview, self.result.update))
        await self._check_report(preview, sha, "success", "Ready", sha[:7])
        return sha

    async def _break(self, preview: Preview, running: str) -> None:
        """The provider refuses an empty page."""
        self._say(wording.pushing(preview, wording.BROKEN_CHANGE))
        sha = await self._push_files(preview, {"page.html": " "}, wording.NO_PAGE)
        await self._check_report(preview, sha, "failure", wording.EMPTY_PAGE_ERROR, sha[:7], within=UPDATE_TIMEOUT)
        if problem := await self._page_problem(preview.host, running, "#16a34a"):
            raise StepFailed(wording.previous_page_lost(sha, running, problem))
        self._say(wording.broken_build(preview))

    async def _fix(self, preview: Preview) -> None:
        self._say(wording.pushing(preview, wording.FIX))
        sha = await self._push_files(preview, {"page.html": PAGE}, wording.PAGE_BACK)
        await self._wait_for_page(wording.FIXED_PAGE_IS_LIVE, preview, sha, "#2563eb")
        await self._check_report(preview, sha, "success", "Ready", sha[:7])
        self._say(wording.fixed(preview))

    async def _page_problem(self, host: str, *parts: str) -> str:
        """Follows the environment's URL to the cloud. A site of the cloud doesn't show the commit."""
        page = await self._client.page(host)
        if page.status != httpx.codes.FOUND:
            return wording.answered_instead(page.status, host, page.text)
        async with httpx.AsyncClient(timeout=10, trust_env=False) as visitor:
            text = (await visitor.get(page.location)).text
        missing = [part for part in parts[1:] if part not in text]
        return wording.page_lacks(page.location, missing, text) if missing else ""
