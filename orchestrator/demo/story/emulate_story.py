"""The story on emulate: the same steps, and what differs there is said and never acted out.

A pull request there keeps the files that it was opened with. So on a pull request is played what can be: labels, a new
head by "update branch", a build that is broken from the start, the end. The push, the broken push and the mend are
played by real pushes on a branch with an environment of its own. On top comes what only a GitHub App has.
"""

from __future__ import annotations

import asyncio
import time

from orchestrator.demo.demo_world import LABEL, REPOSITORY, DemoWorld
from orchestrator.demo.emulate.emulate_host import EmulateHost
from orchestrator.demo.story.blackbox import StepFailed, wait_until
from orchestrator.demo.story.story import (
    BUILD_ERROR,
    REPORT_TIMEOUT,
    UPDATE_TIMEOUT,
    Preview,
    Say,
    Story,
    StoryResult,
    broken_change,
)

LIVE_BRANCH = "live/colour"
"""The demo's eph.yaml there asks for environments of ``live/*``."""
UNAUTHORIZED = 401


class EmulateStory(Story):
    def __init__(self, world: DemoWorld, forge: EmulateHost, say: Say) -> None:
        super().__init__(world, say)
        self._forge = forge
        self._heads: dict[str, str] = {}

    async def play(self) -> StoryResult:
        self._say(f"not played on a pull request: a push, a broken push and its mend. {self._forge.limitation}.")
        self._say(
            f"They are played on the branch {LIVE_BRANCH} instead, whose commits have Eph's checks and no comment."
        )
        return await super().play()

    async def _change(self, preview: Preview) -> None:
        await self._check_app_identity(preview)
        branch, *_ = await asyncio.gather(
            self._create_branch(), self._update_branch(preview), self._check_broken_build()
        )
        await super()._change(branch)
        await self._delete_branch(branch)

    async def _check_app_identity(self, preview: Preview) -> None:
        authors = await self._client.comment_authors(preview.number)
        if authors != {self._forge.bot}:
            raise StepFailed(f"Eph's comment on {preview} is by {authors or 'nobody'}, not by the App")
        self._say(f"Eph speaks there as the App {self._forge.bot}")

    async def _update_branch(self, preview: Preview) -> None:
        """As the button under a pull request that is behind."""
        await asyncio.to_thread(self._forge.push, REPOSITORY, "main", {"NEWS.md": "Opened.\n"}, "News")
        began = time.monotonic()
        sha = await asyncio.to_thread(self._forge.update_branch, REPOSITORY, preview.number)
        await wait_until("the new head is seen", lambda: self._page_problem(preview.host, sha), UPDATE_TIMEOUT)
        self._say(f"the updated branch of {preview} is seen at the same URL after {time.monotonic() - began:.1f} s")
        await self._check_report(preview, sha, "success", "Ready", sha[:7])

    async def _check_broken_build(self) -> None:
        """Opened while Eph listens, so its webhook is heard too."""
        sha = await asyncio.to_thread(self._forge.push, REPOSITORY, "no-prices", broken_change(), "Who needs prices?")
        preview = Preview(await asyncio.to_thread(self._forge.open_pull, REPOSITORY, "no-prices"), "no-prices")
        await self._check_webhook(preview)
        await asyncio.to_thread(self._forge.label, REPOSITORY, preview.number, LABEL)
        await self._check_report(preview, sha, "failure", BUILD_ERROR, sha[:7], within=UPDATE_TIMEOUT)
        self._say(f"a build that is broken from the start is told on {preview}")
        await self._close(preview)

    async def _check_webhook(self, preview: Preview) -> None:
        """A signed delivery is in the event log, and a forged one is turned away."""

        async def look() -> str:
            said = await self._client.received_webhooks()
            return "" if any(f"pull request {preview} of" in line for line in said) else f"heard were {said}"

        await wait_until(f"the webhook of {preview} is heard", look, REPORT_TIMEOUT)
        status = await self._client.send_forged_webhook("pull_request", b"{}")
        if status != UNAUTHORIZED:
            raise StepFailed(f"a delivery with a wrong signature was answered with {status}, not {UNAUTHORIZED}")
        self._say(f"the signed webhook of {preview} is heard, and a forged one is refused")

    async def _create_branch(self) -> Preview:
        preview, began = Preview(0, LIVE_BRANCH), time.monotonic()
        sha = await self._push_files(preview, {"colour.txt": "#ea580c\n"}, "Orange")
        made, _ = await self._wait_ready(preview, sha, began, "its first push")
        return made

    async def _delete_branch(self, branch: Preview) -> None:
        await asyncio.to_thread(self._forge.delete_branch, REPOSITORY, branch.branch)
        await self._wait_gone(branch, "the branch was deleted")

    async def _push_files(self, preview: Preview, files: dict[str, str], message: str) -> str:
        sha = await super()._push_files(preview, files, message)
        self._heads[preview.branch] = sha
        return sha

    async def _report_text(self, preview: Preview) -> str:
        """A branch has no comment: its words stand in the check of its newest commit."""
        if preview.number:
            return await super()._report_text(preview)
        reports = await asyncio.to_thread(self._forge.reports, REPOSITORY, self._heads[preview.branch])
        return reports.get(preview.check, "")
