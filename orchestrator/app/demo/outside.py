"""The demo's eyes: looks at environments the way people do, over HTTP and on the pull request, never inside Eph."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from orchestrator.app.demo.world import REPOSITORY, World

PAUSE = 0.05
_URL = re.compile(r"http://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?")


class StepFailed(AssertionError):
    """A step of the story did not come true; the message says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    text: str

    def shows(self, *parts: str) -> bool:
        return self.status == 200 and all(part in self.text for part in parts)


class Outside:
    def __init__(self, world: World) -> None:
        self._world = world
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def page(self, host: str, path: str = "/") -> Page:
        """Through the gateway, by host name, as a browser would."""
        url = f"http://127.0.0.1:{self._world.ports.gateway}{path}"
        try:
            answer = await self._client.get(url, headers={"Host": host, "Accept": "text/html"})
        except httpx.HTTPError as error:
            return Page(0, f"{type(error).__name__}: {error}")
        return Page(answer.status_code, answer.text)

    async def comment(self, number: int) -> str:
        """Eph's comment; more than one of them is a failure of its own."""
        comments = await asyncio.to_thread(self._world.forge.comments, REPOSITORY, number)
        ours = [item["body"] for item in comments if "<!-- eph:" in item["body"]]
        if len(ours) > 1:
            raise StepFailed(f"#{number} has {len(ours)} comments of Eph's; there may be one")
        return ours[0] if ours else ""

    async def check(self, sha: str) -> str:
        checks = await asyncio.to_thread(self._world.forge.checks, REPOSITORY, sha)
        return checks.get("eph/preview", "")

    async def host(self, number: int) -> str:
        """The environment's host name, as the pull request tells it."""
        found = _URL.search(await self.comment(number))
        return found["host"] if found else ""

    async def stacks(self) -> list[str]:
        """What ``pulumi stack ls --all`` prints with the environment that the demo prints."""
        process = await asyncio.create_subprocess_exec(
            *("pulumi", "stack", "ls", "--all", "--json"),
            cwd=self._world.home,
            env=self._world.pulumi_environment,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        listed: list[dict[str, Any]] = json.loads(output or b"[]")
        return [str(item["name"]) for item in listed]


async def until(what: str, look: Callable[[], Awaitable[str]], seconds: float) -> float:
    """Waits until ``look`` gives an empty word; what it gives else is what is still wrong. Gives the seconds."""
    began = time.monotonic()
    while wrong := await look():
        if time.monotonic() - began > seconds:
            raise StepFailed(f"{what}: not within {seconds:.0f} s; {wrong}")
        await asyncio.sleep(PAUSE)
    return time.monotonic() - began
