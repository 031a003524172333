"""The story on emulate: the same steps where emulate supports them, and a message where it doesn't.

A pull request there keeps the files that it was opened with. So pull requests play labels, a new head by "update
branch", a build that fails from the start, and the end. A branch with an environment plays the push, the broken push
and the fix. In addition, it checks what only a GitHub App has.
"""

from __future__ import annotations

import asyncio
import time

from orchestrator.demo.demo_world import LABEL, REPOSITORY, DemoWorld
from orchestrator.demo.emulate.emulate_host import EmulateHost
from orchestrator.demo.story import wording
from orchestrator.demo.story.blackbox import StepFailed, wait_until
from orchestrator.demo.story.story import (
    REPORT_TIMEOUT,
    UPDATE_TIMEOUT,
    Preview,
    Say,
    Story,
    StoryResult,
    broken_change,
)

LIVE_BRANCH = "live/colour"
"""Matches the branch trigger ``live/*`` of the demo's eph.yaml on emulate."""
UNAUTHORIZED = 401


class EmulateStory(Story):
    def __init__(self, world: DemoWorld, forge: EmulateHost, say: Say) -> None:
        super().__init__(world, say)
        self._forge = forge
        self._heads: dict[str, str] = {}

    async def play(self) -> StoryResult:
        self._say(wording.not_on_pulls(self._forge.limitation))
        self._say(wording.on_branch(LIVE_BRANCH))
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
            raise StepFailed(wording.wrong_author(preview, authors, self._forge.bot))
        self._say(wording.app_identity(self._forge.bot))

    async def _update_branch(self, preview: Preview) -> None:
        """Click "Update branch" under a pull request that is behind."""
        await asyncio.to_thread(self._forge.push, REPOSITORY, "main", {"NEWS.md": "Opened.\n"}, wording.NEWS)
        started = time.monotonic()
        sha = await asyncio.to_thread(self._forge.update_branch, REPOSITORY, preview.number)
        await wait_until(
            wording.updated_branch_is_live(preview), lambda: self._page_problem(preview.host, sha), UPDATE_TIMEOUT
        )
        self._say(wording.branch_updated(preview, time.monotonic() - started))
        await self._check_report(preview, sha, "success", "Ready", sha[:7])

    async def _check_broken_build(self) -> None:
        """Opens a pull request while Eph is running, so this also checks the webhook."""
        sha = await asyncio.to_thread(self._forge.push, REPOSITORY, "no-prices", broken_change(), wording.NO_PRICES)
        preview = Preview(await asyncio.to_thread(self._forge.open_pull, REPOSITORY, "no-prices"), "no-prices")
        await self._check_webhook(preview)
        await asyncio.to_thread(self._forge.label, REPOSITORY, preview.number, LABEL)
        await self._check_report(preview, sha, "failure", wording.BUILD_ERROR, sha[:7], within=UPDATE_TIMEOUT)
        self._say(wording.broken_from_start(preview))
        await self._close(preview)

    async def _check_webhook(self, preview: Preview) -> None:
        """A signed webhook is in the event log; a forged one is rejected."""

        async def look() -> str:
            received = await self._client.received_webhooks()
            mention = wording.webhook_mention(preview)
            return "" if any(mention in line for line in received) else wording.webhooks_received(received)

        await wait_until(wording.webhook_is_received(preview), look, REPORT_TIMEOUT)
        status = await self._client.send_forged_webhook("pull_request", b"{}")
        if status != UNAUTHORIZED:
            raise StepFailed(wording.wrong_webhook_status(status, UNAUTHORIZED))
        self._say(wording.webhooks_checked(preview))

    async def _create_branch(self) -> Preview:
        preview, started = Preview(0, LIVE_BRANCH), time.monotonic()
        sha = await self._push_files(preview, {"colour.txt": "#ea580c\n"}, wording.ORANGE)
        created, _ = await self._wait_ready(preview, sha, started, wording.FIRST_PUSH)
        return created

    async def _delete_branch(self, branch: Preview) -> None:
        await asyncio.to_thread(self._forge.delete_branch, REPOSITORY, branch.branch)
        await self._wait_destroyed(branch, wording.BRANCH_DELETED)

    async def _push_files(self, preview: Preview, files: dict[str, str], message: str) -> str:
        sha = await super()._push_files(preview, files, message)
        self._heads[preview.branch] = sha
        return sha

    async def _report_text(self, preview: Preview) -> str:
        """A branch has no comment, so read the check of its newest commit."""
        if preview.number:
            return await super()._report_text(preview)
        reports = await asyncio.to_thread(self._forge.reports, REPOSITORY, self._heads[preview.branch])
        return reports.get(preview.check, "")
