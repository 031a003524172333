"""The whole story, unattended: every step is made as a person would make it, and checked from outside.

Create two, push and see the change at the same URL, break the build and see it on the pull request while the old page
still answers, mend it, take one label away, close the other, and find nothing left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.app.demo.outside import Outside, StepFailed, until
from orchestrator.app.demo.world import LABEL, REPOSITORY, SHOP, World

MADE_WITHIN = 120.0
CHANGED_WITHIN = 90.0
GONE_WITHIN = 60.0
TOLD_WITHIN = 30.0
ROWS = ("Apples, 1 kg", "Bread")

Say = Callable[[str], None]


@dataclass(slots=True)
class Figures:
    """What the last line reports; the slower of the two environments counts."""

    label_to_url: float = 0.0
    update: float = 0.0
    names: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Preview:
    """One pull request of the story, with its branch and the host name that its comment told."""

    number: int
    branch: str
    host: str = ""


class Story:
    def __init__(self, world: World, say: Say) -> None:
        self._world = world
        self._say = say
        self._outside = Outside(world)
        self.figures = Figures()

    async def play(self) -> Figures:
        try:
            colour = Preview(self._world.pulls["warmer-colour"], "warmer-colour")
            tea = Preview(self._world.pulls["sell-tea"], "sell-tea")
            colour, tea = await asyncio.gather(self._create(colour), self._create(tea))
            await self._listed(colour, tea)
            before = await self._push(colour)
            await self._break(colour, before)
            await self._mend(colour)
            await asyncio.gather(self._unlabel(colour), self._close(tea))
            return self.figures
        finally:
            await self._outside.close()

    async def _create(self, preview: Preview) -> Preview:
        """The clock runs from the label to the first page with this commit and rows from its database."""
        sha = await self._head(preview)
        began = time.monotonic()
        await asyncio.to_thread(self._world.forge.label, REPOSITORY, preview.number, LABEL)
        host = await self._told_host(preview, began)
        await until(f"#{preview.number} answers", lambda: self._lacks(host, sha, *ROWS), MADE_WITHIN)
        took = time.monotonic() - began
        self.figures.label_to_url = max(self.figures.label_to_url, took)
        self.figures.names.add(host.partition(".")[0])
        self._say(f"#{preview.number} answers at its URL {took:.1f} s after the label")
        await self._told(preview.number, sha, "success", "Ready", sha[:7], host)
        return Preview(preview.number, preview.branch, host)

    async def _told_host(self, preview: Preview, began: float) -> str:
        """The URL is wherever the pull request says it is; nobody can guess it."""
        host = ""

        async def look() -> str:
            nonlocal host
            host = host or await self._outside.host(preview.number)
            return "" if host else "its comment names no URL"

        left = MADE_WITHIN - (time.monotonic() - began)
        await until(f"#{preview.number} has a URL", look, left)
        return host

    async def _listed(self, *previews: Preview) -> None:
        stacks = await self._outside.stacks()
        missing = [item for item in previews if not any(name.endswith(f"pr-{item.number}") for name in stacks)]
        if missing:
            raise StepFailed(f"`pulumi stack ls --all` shows {stacks}, and not {[item.number for item in missing]}")
        self._say(f"`pulumi stack ls --all` shows {', '.join(stacks)}")

    async def _push(self, preview: Preview) -> str:
        began = time.monotonic()
        sha = await self._pushed(preview, {"colour.txt": "#16a34a\n"}, "Green, on second thoughts")
        await until(
            "the push is seen at the same URL", lambda: self._lacks(preview.host, sha, "#16a34a"), CHANGED_WITHIN
        )
        self.figures.update = time.monotonic() - began
        self._say(f"a push to #{preview.number} is seen at the same URL after {self.figures.update:.1f} s")
        await self._told(preview.number, sha, "success", "Ready", sha[:7])
        return sha

    async def _break(self, preview: Preview, running: str) -> None:
        page = (SHOP / "page.html").read_text().replace("{{products}}", "sold out")
        sha = await self._pushed(preview, {"page.html": page}, "Who needs prices?")
        await self._told(preview.number, sha, "failure", "price list can't be built", sha[:7], within=CHANGED_WITHIN)
        wrong = await self._lacks(preview.host, running, *ROWS)
        if wrong:
            raise StepFailed(f"the build of {sha[:7]} failed, and the page of {running[:7]} went with it: {wrong}")
        self._say(f"a broken build is told on #{preview.number}, and the page from before still answers")

    async def _mend(self, preview: Preview) -> None:
        sha = await self._pushed(preview, {"page.html": (SHOP / "page.html").read_text()}, "Prices are back")
        await until("the mended page answers", lambda: self._lacks(preview.host, sha, *ROWS), CHANGED_WITHIN)
        await self._told(preview.number, sha, "success", "Ready", sha[:7])
        self._say(f"the next push to #{preview.number} mends it")

    async def _unlabel(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.unlabel, REPOSITORY, preview.number, LABEL)
        await self._gone(preview, "its label was taken away")

    async def _close(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.close_pull, REPOSITORY, preview.number)
        await self._gone(preview, "it was closed")

    async def _gone(self, preview: Preview, why: str) -> None:
        async def look() -> str:
            page = await self._outside.page(preview.host)
            stacks = await self._outside.stacks()
            listed = [name for name in stacks if name.endswith(f"pr-{preview.number}")]
            return (
                "" if page.status in (404, 410, 429) and not listed else f"{page.status} from its URL, stacks {listed}"
            )

        await until(f"#{preview.number} is gone", look, GONE_WITHIN)
        await self._told(preview.number, "", "", "Removed")
        self._say(f"everything of #{preview.number} is gone, because {why}")

    async def _told(self, number: int, sha: str, check: str, *parts: str, within: float = TOLD_WITHIN) -> None:
        """The comment holds all of the parts, and the check on that very commit stands as it should."""

        async def look() -> str:
            body = await self._outside.comment(number)
            missing = [part for part in parts if part not in body]
            stands = await self._outside.check(sha) if sha else ""
            return (
                "" if not missing and stands == check else f"comment lacks {missing}, check is {stands!r}: {body[:300]}"
            )

        await until(f"#{number} tells so", look, within)

    async def _lacks(self, host: str, *parts: str) -> str:
        page = await self._outside.page(host)
        return "" if page.shows(*parts) else f"{page.status} from {host}: {page.text[:200]!r}"

    async def _head(self, preview: Preview) -> str:
        pull = await asyncio.to_thread(self._world.forge.pull, REPOSITORY, preview.number)
        return str(pull["head"]["sha"])

    async def _pushed(self, preview: Preview, files: dict[str, str], message: str) -> str:
        return await asyncio.to_thread(self._world.forge.push, REPOSITORY, preview.branch, files, message)
