"""The whole story, unattended: every step is taken as a person would, and checked from outside.

Create two previews; push and see the change at the same URL; break the build and see it on the pull request while the
old page is still live; fix it; remove one label, close the other pull request, and find nothing left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from orchestrator.core.views.phases import Phase
from orchestrator.demo.demo_world import LABEL, REPOSITORY, SHOP, DemoWorld
from orchestrator.demo.story import wording
from orchestrator.demo.story.blackbox import PREVIEW_CHECK, BlackBoxClient, StepFailed, host_in, wait_until
from orchestrator.surfaces.reports.phase_wording import PHASE_LABELS

CREATE_TIMEOUT = 120.0
UPDATE_TIMEOUT = 90.0
DESTROY_TIMEOUT = 60.0
REPORT_TIMEOUT = 30.0
MAX_QUOTED_REPORT = 2000
PRODUCT_ROWS = ("Apples, 1 kg", "Bread")

Say = Callable[[str], None]


@dataclass(slots=True)
class StoryResult:
    """What the last line reports. ``label_to_url`` is that of the slower environment."""

    label_to_url: float = 0.0
    update: float = 0.0
    names: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)

    def summary(self, leftovers: int) -> str:
        return wording.summary(len(self.names), self.label_to_url, self.update, leftovers)


@dataclass(frozen=True, slots=True)
class Preview:
    """A pull request, its branch, and the host name from its comment. A branch preview has number 0."""

    number: int
    branch: str
    host: str = ""

    def __str__(self) -> str:
        return f"#{self.number}" if self.number else self.branch

    @property
    def check(self) -> str:
        return PREVIEW_CHECK if self.number else f"eph/branch/{self.branch}"

    def stacks_in(self, stacks: list[str]) -> list[str]:
        names = [(name, name.rpartition("/")[2]) for name in stacks]
        return [name for name, last in names if last == f"pr-{self.number}" or (not self.number and "branch-" in last)]


def broken_change() -> dict[str, str]:
    """A change that makes the shop's build fail."""
    return {"page.html": (SHOP / "page.html").read_text().replace("{{products}}", "sold out")}


class Story:
    rows: tuple[str, ...] = PRODUCT_ROWS

    def __init__(self, world: DemoWorld, say: Say) -> None:
        self._world = world
        self._say = say
        self._client = BlackBoxClient(world)
        self._timeout_factor = world.timeout_factor
        self.result = StoryResult()

    async def play(self) -> StoryResult:
        try:
            colour = Preview(self._world.pulls["warmer-colour"], "warmer-colour")
            tea = Preview(self._world.pulls["sell-tea"], "sell-tea")
            colour, tea = await asyncio.gather(self._create(colour), self._create(tea))
            await self._check_stack_list(colour, tea)
            await self._change(colour)
            await asyncio.gather(self._unlabel(colour), self._close(tea))
            return self.result
        finally:
            await self._client.close()

    async def _change(self, preview: Preview) -> None:
        before = await self._push(preview)
        await self._break(preview, before)
        await self._fix(preview)

    async def _create(self, preview: Preview) -> Preview:
        """Measure from the label to the first page that shows this commit and rows from its database."""
        sha = await self._head(preview)
        started = time.monotonic()
        self._say(wording.labelling(preview, LABEL))
        await asyncio.to_thread(self._world.forge.label, REPOSITORY, preview.number, LABEL)
        created, seconds = await self._wait_ready(preview, sha, started, wording.LABEL_ADDED)
        self.result.label_to_url = max(self.result.label_to_url, seconds)
        return created

    async def _wait_ready(self, preview: Preview, sha: str, started: float, event: str) -> tuple[Preview, float]:
        host = await self._wait_for_host(preview, started)
        await wait_until(
            wording.is_live(preview),
            lambda: self._page_problem(host, sha, *self.rows),
            CREATE_TIMEOUT * self._timeout_factor,
        )
        seconds = time.monotonic() - started
        self.result.names.add(host.partition(".")[0])
        self._say(wording.live(preview, seconds, event))
        await self._check_report(preview, sha, "success", "Ready", sha[:7], host)
        return replace(preview, host=host), seconds

    async def _wait_for_host(self, preview: Preview, started: float) -> str:
        """Read the URL from the report; it can't be guessed."""
        host = ""

        async def look() -> str:
            nonlocal host
            host = host or host_in(await self._report_text(preview))
            return "" if host else wording.NO_URL

        left = CREATE_TIMEOUT * self._timeout_factor - (time.monotonic() - started)
        await wait_until(wording.has_url(preview), look, left)
        return host

    async def _check_stack_list(self, *previews: Preview) -> None:
        stacks = await self._client.stacks()
        missing = [str(item) for item in previews if not item.stacks_in(stacks)]
        if missing:
            raise StepFailed(wording.stacks_missing(stacks, missing))
        self._say(wording.listed_stacks(stacks))

    async def _push(self, preview: Preview) -> str:
        self._say(wording.pushing(preview, wording.COLOUR_CHANGE))
        started = time.monotonic()
        sha = await self._push_files(preview, {"colour.txt": "#16a34a\n"}, wording.GREEN)
        await self._wait_for_page(wording.PUSH_IS_LIVE, preview, sha, "#16a34a")
        self.result.update = time.monotonic() - started
        self._say(wording.push_live(preview, self.result.update))
        await self._check_report(preview, sha, "success", "Ready", sha[:7])
        return sha

    async def _break(self, preview: Preview, running: str) -> None:
        self._say(wording.pushing(preview, wording.BROKEN_CHANGE))
        sha = await self._push_files(preview, broken_change(), wording.NO_PRICES)
        await self._check_report(preview, sha, "failure", wording.BUILD_ERROR, sha[:7], within=UPDATE_TIMEOUT)
        problem = await self._page_problem(preview.host, running, *PRODUCT_ROWS)
        if problem:
            raise StepFailed(wording.previous_page_lost(sha, running, problem))
        self._say(wording.broken_build(preview))

    async def _fix(self, preview: Preview) -> None:
        self._say(wording.pushing(preview, wording.FIX))
        sha = await self._push_files(preview, {"page.html": (SHOP / "page.html").read_text()}, wording.PRICES_BACK)
        await self._wait_for_page(wording.FIXED_PAGE_IS_LIVE, preview, sha, *PRODUCT_ROWS)
        await self._check_report(preview, sha, "success", "Ready", sha[:7])
        self._say(wording.fixed(preview))

    async def _wait_for_page(self, description: str, preview: Preview, sha: str, *parts: str) -> float:
        return await wait_until(
            description, lambda: self._page_problem(preview.host, sha, *parts), UPDATE_TIMEOUT * self._timeout_factor
        )

    async def _unlabel(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.unlabel, REPOSITORY, preview.number, LABEL)
        await self._wait_destroyed(preview, wording.LABEL_REMOVED)

    async def _close(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.close_pull, REPOSITORY, preview.number)
        await self._wait_destroyed(preview, wording.CLOSED)

    async def _wait_destroyed(self, preview: Preview, event: str) -> None:
        async def look() -> str:
            status = (await self._client.page(preview.host)).status if preview.host else 404
            listed = preview.stacks_in(await self._client.stacks())
            return "" if status in (404, 410, 429) and not listed else wording.still_there(status, listed)

        await wait_until(wording.is_destroyed(preview), look, DESTROY_TIMEOUT * self._timeout_factor)
        await self._check_report(preview, "", "", PHASE_LABELS[Phase.DESTROYED])
        self._say(wording.destroyed(preview, event))

    async def _check_report(
        self, preview: Preview, sha: str, check: str, *parts: str, within: float = REPORT_TIMEOUT
    ) -> None:
        """Wait until the report contains all ``parts`` and the commit's check is ``check``."""

        async def look() -> str:
            text = await self._report_text(preview)
            missing = [part for part in parts if part not in text]
            actual = await self._client.check(sha, preview.check) if sha else ""
            matches = not missing and actual == check
            return "" if matches else wording.wrong_report(missing, actual, text[:MAX_QUOTED_REPORT])

        await wait_until(wording.is_reported(preview), look, within * self._timeout_factor)

    async def _report_text(self, preview: Preview) -> str:
        return await self._client.comment(preview.number)

    async def _page_problem(self, host: str, *parts: str) -> str:
        page = await self._client.page(host)
        return "" if page.shows(*parts) else wording.answered_instead(page.status, host, page.text)

    async def _head(self, preview: Preview) -> str:
        pull = await asyncio.to_thread(self._world.forge.pull, REPOSITORY, preview.number)
        return str(pull["head"]["sha"])

    async def _push_files(self, preview: Preview, files: dict[str, str], message: str) -> str:
        return await asyncio.to_thread(self._world.forge.push, REPOSITORY, preview.branch, files, message)
