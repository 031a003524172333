"""The whole story, unattended: every step is made as a person would make it, and checked from outside.

Create two, push and see the change at the same URL, break the build and see it on the pull request while the old page
still answers, mend it, take one label away, close the other, and find nothing left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from orchestrator.core.views.phases import Phase
from orchestrator.demo.demo_world import LABEL, REPOSITORY, SHOP, DemoWorld
from orchestrator.demo.story.blackbox import PREVIEW_CHECK, BlackBoxClient, StepFailed, host_in, wait_until
from orchestrator.surfaces.reports.phase_wording import PHASE_LABELS

CREATE_TIMEOUT = 120.0
UPDATE_TIMEOUT = 90.0
DESTROY_TIMEOUT = 60.0
REPORT_TIMEOUT = 30.0
MAX_QUOTED_REPORT = 2000
PRODUCT_ROWS = ("Apples, 1 kg", "Bread")
BUILD_ERROR = "price list can't be built"

Say = Callable[[str], None]


@dataclass(slots=True)
class StoryResult:
    """What the last line reports; the slower of the two environments counts."""

    label_to_url: float = 0.0
    update: float = 0.0
    names: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Preview:
    """One pull request of the story, with its branch and the host name that its comment told. A branch's own preview
    has no ``number``."""

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
    """A change that the shop's build refuses."""
    return {"page.html": (SHOP / "page.html").read_text().replace("{{products}}", "sold out")}


class Story:
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
        """The clock runs from the label to the first page with this commit and rows from its database."""
        sha = await self._head(preview)
        began = time.monotonic()
        await asyncio.to_thread(self._world.forge.label, REPOSITORY, preview.number, LABEL)
        made, took = await self._wait_ready(preview, sha, began, "the label")
        self.result.label_to_url = max(self.result.label_to_url, took)
        return made

    async def _wait_ready(self, preview: Preview, sha: str, began: float, since: str) -> tuple[Preview, float]:
        host = await self._wait_for_host(preview, began)
        await wait_until(
            f"{preview} answers",
            lambda: self._page_problem(host, sha, *PRODUCT_ROWS),
            CREATE_TIMEOUT * self._timeout_factor,
        )
        took = time.monotonic() - began
        self.result.names.add(host.partition(".")[0])
        self._say(f"{preview} answers at its URL {took:.1f} s after {since}")
        await self._check_report(preview, sha, "success", "Ready", sha[:7], host)
        return replace(preview, host=host), took

    async def _wait_for_host(self, preview: Preview, began: float) -> str:
        """The URL is wherever the pull request says it is; nobody can guess it."""
        host = ""

        async def look() -> str:
            nonlocal host
            host = host or host_in(await self._report_text(preview))
            return "" if host else "no URL is told"

        left = CREATE_TIMEOUT * self._timeout_factor - (time.monotonic() - began)
        await wait_until(f"{preview} has a URL", look, left)
        return host

    async def _check_stack_list(self, *previews: Preview) -> None:
        stacks = await self._client.stacks()
        missing = [str(item) for item in previews if not item.stacks_in(stacks)]
        if missing:
            raise StepFailed(f"`pulumi stack ls --all` shows {stacks}, and not {missing}")
        self._say(f"`pulumi stack ls --all` shows {', '.join(stacks)}")

    async def _push(self, preview: Preview) -> str:
        began = time.monotonic()
        sha = await self._push_files(preview, {"colour.txt": "#16a34a\n"}, "Green, on second thoughts")
        await self._wait_for_page("the push is seen at the same URL", preview, sha, "#16a34a")
        self.result.update = time.monotonic() - began
        self._say(f"a push to {preview} is seen at the same URL after {self.result.update:.1f} s")
        await self._check_report(preview, sha, "success", "Ready", sha[:7])
        return sha

    async def _break(self, preview: Preview, running: str) -> None:
        sha = await self._push_files(preview, broken_change(), "Who needs prices?")
        await self._check_report(preview, sha, "failure", BUILD_ERROR, sha[:7], within=UPDATE_TIMEOUT)
        wrong = await self._page_problem(preview.host, running, *PRODUCT_ROWS)
        if wrong:
            raise StepFailed(f"the build of {sha[:7]} failed, and the page of {running[:7]} went with it: {wrong}")
        self._say(f"a broken build is told on {preview}, and the page from before still answers")

    async def _fix(self, preview: Preview) -> None:
        sha = await self._push_files(preview, {"page.html": (SHOP / "page.html").read_text()}, "Prices are back")
        await self._wait_for_page("the mended page answers", preview, sha, *PRODUCT_ROWS)
        await self._check_report(preview, sha, "success", "Ready", sha[:7])
        self._say(f"the next push to {preview} mends it")

    async def _wait_for_page(self, description: str, preview: Preview, sha: str, *parts: str) -> None:
        await wait_until(
            description, lambda: self._page_problem(preview.host, sha, *parts), UPDATE_TIMEOUT * self._timeout_factor
        )

    async def _unlabel(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.unlabel, REPOSITORY, preview.number, LABEL)
        await self._wait_gone(preview, "its label was taken away")

    async def _close(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.close_pull, REPOSITORY, preview.number)
        await self._wait_gone(preview, "it was closed")

    async def _wait_gone(self, preview: Preview, reason: str) -> None:
        async def look() -> str:
            status = (await self._client.page(preview.host)).status if preview.host else 404
            listed = preview.stacks_in(await self._client.stacks())
            return "" if status in (404, 410, 429) and not listed else f"{status} from its URL, stacks {listed}"

        await wait_until(f"{preview} is gone", look, DESTROY_TIMEOUT * self._timeout_factor)
        await self._check_report(preview, "", "", PHASE_LABELS[Phase.DESTROYED])
        self._say(f"everything of {preview} is gone, because {reason}")

    async def _check_report(
        self, preview: Preview, sha: str, check: str, *parts: str, within: float = REPORT_TIMEOUT
    ) -> None:
        """The words hold all of the parts, and the check on that very commit stands as it should."""

        async def look() -> str:
            words = await self._report_text(preview)
            missing = [part for part in parts if part not in words]
            stands = await self._client.check(sha, preview.check) if sha else ""
            fits = not missing and stands == check
            return "" if fits else f"its words lack {missing}, the check is {stands!r}: {words[:MAX_QUOTED_REPORT]}"

        await wait_until(f"{preview} tells so", look, within * self._timeout_factor)

    async def _report_text(self, preview: Preview) -> str:
        return await self._client.comment(preview.number)

    async def _page_problem(self, host: str, *parts: str) -> str:
        page = await self._client.page(host)
        return "" if page.shows(*parts) else f"{page.status} from {host}: {page.text[:200]!r}"

    async def _head(self, preview: Preview) -> str:
        pull = await asyncio.to_thread(self._world.forge.pull, REPOSITORY, preview.number)
        return str(pull["head"]["sha"])

    async def _push_files(self, preview: Preview, files: dict[str, str], message: str) -> str:
        return await asyncio.to_thread(self._world.forge.push, REPOSITORY, preview.branch, files, message)
