"""The whole story, unattended: every step is made as a person would make it, and checked from outside.

Create two, push and see the change at the same URL, break the build and see it on the pull request while the old page
still answers, mend it, take one label away, close the other, and find nothing left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from orchestrator.app.demo.outside import CHECK, Outside, StepFailed, host_in, until
from orchestrator.app.demo.world import LABEL, REPOSITORY, SHOP, World

MADE_WITHIN = 120.0
CHANGED_WITHIN = 90.0
GONE_WITHIN = 60.0
TOLD_WITHIN = 30.0
TOLD_MOST = 2000
ROWS = ("Apples, 1 kg", "Bread")
UNBUILDABLE = "price list can't be built"

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
    """One pull request of the story, with its branch and the host name that its comment told. A branch's own preview
    has no ``number``."""

    number: int
    branch: str
    host: str = ""

    def __str__(self) -> str:
        return f"#{self.number}" if self.number else self.branch

    @property
    def check(self) -> str:
        return CHECK if self.number else f"eph/branch/{self.branch}"

    def among(self, stacks: list[str]) -> list[str]:
        names = [(name, name.rpartition("/")[2]) for name in stacks]
        return [name for name, last in names if last == f"pr-{self.number}" or (not self.number and "branch-" in last)]


def broken() -> dict[str, str]:
    """A change that the shop's build refuses."""
    return {"page.html": (SHOP / "page.html").read_text().replace("{{products}}", "sold out")}


class Story:
    def __init__(self, world: World, say: Say) -> None:
        self._world = world
        self._say = say
        self._outside = Outside(world)
        self._patience = world.patience
        self.figures = Figures()

    async def play(self) -> Figures:
        try:
            colour = Preview(self._world.pulls["warmer-colour"], "warmer-colour")
            tea = Preview(self._world.pulls["sell-tea"], "sell-tea")
            colour, tea = await asyncio.gather(self._create(colour), self._create(tea))
            await self._listed(colour, tea)
            await self._change(colour)
            await asyncio.gather(self._unlabel(colour), self._close(tea))
            return self.figures
        finally:
            await self._outside.close()

    async def _change(self, preview: Preview) -> None:
        before = await self._push(preview)
        await self._break(preview, before)
        await self._mend(preview)

    async def _create(self, preview: Preview) -> Preview:
        """The clock runs from the label to the first page with this commit and rows from its database."""
        sha = await self._head(preview)
        began = time.monotonic()
        await asyncio.to_thread(self._world.forge.label, REPOSITORY, preview.number, LABEL)
        made, took = await self._answers(preview, sha, began, "the label")
        self.figures.label_to_url = max(self.figures.label_to_url, took)
        return made

    async def _answers(self, preview: Preview, sha: str, began: float, since: str) -> tuple[Preview, float]:
        host = await self._told_host(preview, began)
        await until(f"{preview} answers", lambda: self._lacks(host, sha, *ROWS), MADE_WITHIN * self._patience)
        took = time.monotonic() - began
        self.figures.names.add(host.partition(".")[0])
        self._say(f"{preview} answers at its URL {took:.1f} s after {since}")
        await self._told(preview, sha, "success", "Ready", sha[:7], host)
        return replace(preview, host=host), took

    async def _told_host(self, preview: Preview, began: float) -> str:
        """The URL is wherever the pull request says it is; nobody can guess it."""
        host = ""

        async def look() -> str:
            nonlocal host
            host = host or host_in(await self._words(preview))
            return "" if host else "no URL is told"

        left = MADE_WITHIN * self._patience - (time.monotonic() - began)
        await until(f"{preview} has a URL", look, left)
        return host

    async def _listed(self, *previews: Preview) -> None:
        stacks = await self._outside.stacks()
        missing = [str(item) for item in previews if not item.among(stacks)]
        if missing:
            raise StepFailed(f"`pulumi stack ls --all` shows {stacks}, and not {missing}")
        self._say(f"`pulumi stack ls --all` shows {', '.join(stacks)}")

    async def _push(self, preview: Preview) -> str:
        began = time.monotonic()
        sha = await self._pushed(preview, {"colour.txt": "#16a34a\n"}, "Green, on second thoughts")
        await self._changed("the push is seen at the same URL", preview, sha, "#16a34a")
        self.figures.update = time.monotonic() - began
        self._say(f"a push to {preview} is seen at the same URL after {self.figures.update:.1f} s")
        await self._told(preview, sha, "success", "Ready", sha[:7])
        return sha

    async def _break(self, preview: Preview, running: str) -> None:
        sha = await self._pushed(preview, broken(), "Who needs prices?")
        await self._told(preview, sha, "failure", UNBUILDABLE, sha[:7], within=CHANGED_WITHIN)
        wrong = await self._lacks(preview.host, running, *ROWS)
        if wrong:
            raise StepFailed(f"the build of {sha[:7]} failed, and the page of {running[:7]} went with it: {wrong}")
        self._say(f"a broken build is told on {preview}, and the page from before still answers")

    async def _mend(self, preview: Preview) -> None:
        sha = await self._pushed(preview, {"page.html": (SHOP / "page.html").read_text()}, "Prices are back")
        await self._changed("the mended page answers", preview, sha, *ROWS)
        await self._told(preview, sha, "success", "Ready", sha[:7])
        self._say(f"the next push to {preview} mends it")

    async def _changed(self, what: str, preview: Preview, sha: str, *parts: str) -> None:
        await until(what, lambda: self._lacks(preview.host, sha, *parts), CHANGED_WITHIN * self._patience)

    async def _unlabel(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.unlabel, REPOSITORY, preview.number, LABEL)
        await self._gone(preview, "its label was taken away")

    async def _close(self, preview: Preview) -> None:
        await asyncio.to_thread(self._world.forge.close_pull, REPOSITORY, preview.number)
        await self._gone(preview, "it was closed")

    async def _gone(self, preview: Preview, why: str) -> None:
        async def look() -> str:
            status = (await self._outside.page(preview.host)).status if preview.host else 404
            listed = preview.among(await self._outside.stacks())
            return "" if status in (404, 410, 429) and not listed else f"{status} from its URL, stacks {listed}"

        await until(f"{preview} is gone", look, GONE_WITHIN * self._patience)
        await self._told(preview, "", "", "Removed")
        self._say(f"everything of {preview} is gone, because {why}")

    async def _told(self, preview: Preview, sha: str, check: str, *parts: str, within: float = TOLD_WITHIN) -> None:
        """The words hold all of the parts, and the check on that very commit stands as it should."""

        async def look() -> str:
            words = await self._words(preview)
            missing = [part for part in parts if part not in words]
            stands = await self._outside.check(sha, preview.check) if sha else ""
            fits = not missing and stands == check
            return "" if fits else f"its words lack {missing}, the check is {stands!r}: {words[:TOLD_MOST]}"

        await until(f"{preview} tells so", look, within * self._patience)

    async def _words(self, preview: Preview) -> str:
        return await self._outside.comment(preview.number)

    async def _lacks(self, host: str, *parts: str) -> str:
        page = await self._outside.page(host)
        return "" if page.shows(*parts) else f"{page.status} from {host}: {page.text[:200]!r}"

    async def _head(self, preview: Preview) -> str:
        pull = await asyncio.to_thread(self._world.forge.pull, REPOSITORY, preview.number)
        return str(pull["head"]["sha"])

    async def _pushed(self, preview: Preview, files: dict[str, str], message: str) -> str:
        return await asyncio.to_thread(self._world.forge.push, REPOSITORY, preview.branch, files, message)
