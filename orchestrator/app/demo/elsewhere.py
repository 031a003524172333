"""The story on emulate: the same steps, and what differs there is said and never acted out.

A pull request there keeps the files that it was opened with. So on a pull request is played what can be: labels, a new
head by "update branch", a build that is broken from the start, the end. The push, the broken push and the mend are
played by real pushes on a branch with an environment of its own. On top comes what only a GitHub App has.
"""

from __future__ import annotations

import asyncio
import time

from orchestrator.app.demo.emulate import EmulateForge
from orchestrator.app.demo.outside import StepFailed, until
from orchestrator.app.demo.story import CHANGED_WITHIN, TOLD_WITHIN, UNBUILDABLE, Figures, Preview, Say, Story, broken
from orchestrator.app.demo.world import LABEL, REPOSITORY, World

BRANCH = "live/colour"
"""The demo's eph.yaml there asks for environments of ``live/*``."""
UNAUTHORIZED = 401


class StoryElsewhere(Story):
    def __init__(self, world: World, forge: EmulateForge, say: Say) -> None:
        super().__init__(world, say)
        self._forge = forge
        self._heads: dict[str, str] = {}

    async def play(self) -> Figures:
        self._say(f"not played on a pull request: a push, a broken push and its mend. {self._forge.lacks_pushes}.")
        self._say(f"They are played on the branch {BRANCH} instead, whose commits have Eph's checks and no comment.")
        return await super().play()

    async def _change(self, preview: Preview) -> None:
        await self._is_the_app(preview)
        branch, *_ = await asyncio.gather(self._create_branch(), self._update(preview), self._unbuildable())
        await super()._change(branch)
        await self._delete(branch)

    async def _is_the_app(self, preview: Preview) -> None:
        authors = await self._outside.authors(preview.number)
        if authors != {self._forge.bot}:
            raise StepFailed(f"Eph's comment on {preview} is by {authors or 'nobody'}, not by the App")
        self._say(f"Eph speaks there as the App {self._forge.bot}")

    async def _update(self, preview: Preview) -> None:
        """As the button under a pull request that is behind."""
        await asyncio.to_thread(self._forge.push, REPOSITORY, "main", {"NEWS.md": "Opened.\n"}, "News")
        began = time.monotonic()
        sha = await asyncio.to_thread(self._forge.update_branch, REPOSITORY, preview.number)
        await until("the new head is seen", lambda: self._lacks(preview.host, sha), CHANGED_WITHIN)
        self._say(f"the updated branch of {preview} is seen at the same URL after {time.monotonic() - began:.1f} s")
        await self._told(preview, sha, "success", "Ready", sha[:7])

    async def _unbuildable(self) -> None:
        """Opened while Eph listens, so its webhook is heard too."""
        sha = await asyncio.to_thread(self._forge.push, REPOSITORY, "no-prices", broken(), "Who needs prices?")
        preview = Preview(await asyncio.to_thread(self._forge.open_pull, REPOSITORY, "no-prices"), "no-prices")
        await self._heard(preview)
        await asyncio.to_thread(self._forge.label, REPOSITORY, preview.number, LABEL)
        await self._told(preview, sha, "failure", UNBUILDABLE, sha[:7], within=CHANGED_WITHIN)
        self._say(f"a build that is broken from the start is told on {preview}")
        await self._close(preview)

    async def _heard(self, preview: Preview) -> None:
        """A signed delivery is in the event log, and a forged one is turned away."""

        async def look() -> str:
            said = await self._outside.webhooks()
            return "" if any(f"pull request {preview} of" in line for line in said) else f"heard were {said}"

        await until(f"the webhook of {preview} is heard", look, TOLD_WITHIN)
        status = await self._outside.forged("pull_request", b"{}")
        if status != UNAUTHORIZED:
            raise StepFailed(f"a delivery with a wrong signature was answered with {status}, not {UNAUTHORIZED}")
        self._say(f"the signed webhook of {preview} is heard, and a forged one is refused")

    async def _create_branch(self) -> Preview:
        preview, began = Preview(0, BRANCH), time.monotonic()
        sha = await self._pushed(preview, {"colour.txt": "#ea580c\n"}, "Orange")
        made, _ = await self._answers(preview, sha, began, "its first push")
        return made

    async def _delete(self, branch: Preview) -> None:
        await asyncio.to_thread(self._forge.delete_branch, REPOSITORY, branch.branch)
        await self._gone(branch, "the branch was deleted")

    async def _pushed(self, preview: Preview, files: dict[str, str], message: str) -> str:
        sha = await super()._pushed(preview, files, message)
        self._heads[preview.branch] = sha
        return sha

    async def _words(self, preview: Preview) -> str:
        """A branch has no comment: its words stand in the check of its newest commit."""
        if preview.number:
            return await super()._words(preview)
        reports = await asyncio.to_thread(self._forge.reports, REPOSITORY, self._heads[preview.branch])
        return reports.get(preview.check, "")
