"""Looks at environments the way people do, over HTTP and on the pull request, never inside Eph."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from orchestrator.demo.demo_world import REPOSITORY, DemoWorld
from orchestrator.demo.story import wording
from orchestrator.forges.github.webhooks import webhook_events
from orchestrator.ledger.event_kinds import EventKind

MIN_PAUSE, MAX_PAUSE, PAUSE_DIVISOR = 0.05, 1.0, 50
"""Polling slows down to a fiftieth of the time waited so far, because the Git host counts requests."""
LIST_ATTEMPTS = 5
PREVIEW_CHECK = "eph/preview"
JOB_TIMEOUT = 120.0
AUDIT_TIMEOUT = 300.0
_URL = re.compile(r"http://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?")


class StepFailed(AssertionError):
    """A step of the story failed; the message says what was seen instead."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    status: int
    text: str
    location: str = ""

    def shows(self, *parts: str) -> bool:
        return self.status == 200 and all(part in self.text for part in parts)


class BlackBoxClient:
    def __init__(self, world: DemoWorld) -> None:
        self._world = world
        self._api = f"http://127.0.0.1:{world.ports.api}/api/v1"
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def page(self, host: str, path: str = "/") -> FetchedPage:
        """Request a page through the gateway, as a browser would."""
        url = f"http://127.0.0.1:{self._world.ports.gateway}{path}"
        try:
            answer = await self._client.get(url, headers={"Host": host, "Accept": "text/html"})
        except httpx.HTTPError as error:
            return FetchedPage(0, f"{type(error).__name__}: {error}")
        return FetchedPage(answer.status_code, answer.text, answer.headers.get("Location", ""))

    async def run_job(self, name: str, job: str) -> tuple[int | None, str]:
        """The exit status and the output, as `eph run` shows them."""
        token, url = self._world.token_file.read_text().strip(), f"{self._api}/environments/{name}/runs"
        headers, timeout = {"Authorization": f"Bearer {token}"}, httpx.Timeout(60, read=JOB_TIMEOUT)
        answer = await self._client.post(url, json={"job": job}, headers=headers, timeout=timeout)
        answer.raise_for_status()
        messages = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        text = "".join(item["text"] for item in messages if "text" in item)
        return next((item["code"] for item in messages if "code" in item), None), text

    async def orphans(self) -> list[str]:
        """What `eph audit` finds, and what it can't check."""
        headers = {"Authorization": f"Bearer {self._world.token_file.read_text().strip()}"}
        answer = await self._client.get(f"{self._api}/audit", headers=headers, timeout=AUDIT_TIMEOUT)
        answer.raise_for_status()
        found = answer.json()
        return [*found["unread"], *(f"{item['kind']} {item['name']}: {item['why']}" for item in found["orphans"])]

    async def comment(self, number: int) -> str:
        """Eph's comment. More than one is a failure."""
        comments = await asyncio.to_thread(self._world.forge.comments, REPOSITORY, number)
        ours = [item["body"] for item in comments if "<!-- eph:" in item["body"]]
        if len(ours) > 1:
            raise StepFailed(wording.too_many_comments(number, len(ours)))
        return ours[0] if ours else ""

    async def check(self, sha: str, name: str = PREVIEW_CHECK) -> str:
        checks = await asyncio.to_thread(self._world.forge.checks, REPOSITORY, sha)
        return checks.get(name, "")

    async def comment_authors(self, number: int) -> set[str]:
        """The authors of Eph's comments, as the Git host shows them."""
        comments = await asyncio.to_thread(self._world.forge.comments, REPOSITORY, number)
        return {str(item["user"]["login"]) for item in comments if "<!-- eph:" in item["body"]}

    async def received_webhooks(self) -> list[str]:
        """Webhooks in the event log, which contains only those with a valid signature."""
        token = self._world.token_file.read_text().strip()
        answer = await self._client.get(
            f"{self._api}/events", params={"limit": 1000, "newest": True}, headers={"Authorization": f"Bearer {token}"}
        )
        answer.raise_for_status()
        return [str(item["message"]) for item in answer.json()["items"] if item["kind"] == EventKind.WEBHOOK_RECEIVED]

    async def send_forged_webhook(self, event: str, body: bytes) -> int:
        """The response's status for a webhook signed with a wrong secret."""
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": "forged", "Content-Type": "application/json"}
        headers["X-Hub-Signature-256"] = webhook_events.sign(b"a guess", body)
        return (await self._client.post(f"{self._api}/webhooks/github", content=body, headers=headers)).status_code

    async def stacks(self) -> list[str]:
        """What ``pulumi stack ls --all`` lists with the environment variables that the demo prints.

        It fails if another Pulumi process renames a file meanwhile, so it is retried.
        """
        for _ in range(LIST_ATTEMPTS):
            process = await asyncio.create_subprocess_exec(
                *("pulumi", "stack", "ls", "--all", "--json"),
                cwd=self._world.home,
                env=self._world.pulumi_environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
            if process.returncode == 0:
                listed: list[dict[str, Any]] = json.loads(output)
                return [str(item["name"]) for item in listed]
        raise RuntimeError(f"`pulumi stack ls --all` fails: {errors.decode(errors='replace').strip()}")


def host_in(text: str) -> str:
    """The host name of the URL in a report's headline; empty without one."""
    found = _URL.search(text.partition("\n")[0])
    return found["host"] if found else ""


async def wait_until(description: str, check: Callable[[], Awaitable[str]], seconds: float) -> float:
    """Wait until ``check`` returns no problem. ``description`` is the condition. Returns the seconds waited."""
    started = time.monotonic()
    while problem := await check():
        waited = time.monotonic() - started
        if waited > seconds:
            raise StepFailed(wording.timed_out(description, seconds, problem))
        await asyncio.sleep(min(MAX_PAUSE, max(MIN_PAUSE, waited / PAUSE_DIVISOR)))
    return time.monotonic() - started
