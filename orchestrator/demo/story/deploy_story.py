"""The story of label deploys (M1 to M6), unattended: every step is checked from outside, by HTTP and the process table.

Deploy a branch under three labels and see that nothing of them runs; open one; send 200 requests at once to the next
and kill ephd meanwhile; kill the gateway while it holds a request; kill ephd while it replaces a deploy, and replace it
again; let one expire; destroy the others and find nothing left.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from orchestrator.config import file_names
from orchestrator.demo import leak_check
from orchestrator.demo.demo_world import APP_ROUTE, REPOSITORY, SHOP, DemoWorld
from orchestrator.demo.story import deploy_wording as wording
from orchestrator.demo.story.blackbox import StepFailed, wait_until
from orchestrator.demo.story.server_process import ServerProcess
from orchestrator.demo.story.story import Say, StoryResult

COLD_REQUESTS = 200
TIMEOUT = 120.0
SHORT_TTL = 30
REPLACED, CROWDED, KILLED, EXPIRING = "feat-x", "crowd", "killed", "short"


@dataclass(slots=True)
class DeployStoryResult(StoryResult):
    first_request: float = 0.0
    starts: int = 0
    deploys: set[str] = field(default_factory=set)

    def summary(self, leftovers: int) -> str:
        return wording.deploys_summary(
            len(self.deploys), self.first_request, (COLD_REQUESTS, self.starts), leftovers
        )  # fmt: skip


class DeployStory:
    def __init__(self, world: DemoWorld, server: ServerProcess, say: Say) -> None:
        self._world, self._server, self._say = world, server, say
        token = world.token_file.read_text().strip()
        self._api = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{world.ports.api}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )
        limits = httpx.Limits(max_connections=None)
        self._previews = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, limits=limits)
        self.result = DeployStoryResult()

    async def play(self) -> DeployStoryResult:
        try:
            commit = await self._push("#16a34a\n")
            for label in (REPLACED, CROWDED, KILLED):
                await self._deploy(label, commit)
            await self._open_the_first(commit)
            await self._send_many()
            await self._kill_the_gateway()
            await self._replace(commit)
            await self._expire()
            await self._destroy_all()
            return self.result
        finally:
            await self._api.aclose()
            await self._previews.aclose()

    # --- steps

    async def _push(self, colour: str) -> str:
        text = (SHOP / "eph.yaml").read_text() + f"app:\n  route: {APP_ROUTE}\n"
        web = (
            (SHOP / "web.py")
            .read_text()
            .replace("import html\n", f'print("{wording.SHOP_IS_OPEN}", flush=True)\nimport html\n', 1)
        )
        files = {"colour.txt": colour, "eph.yaml": text, "web.py": web}
        return await asyncio.to_thread(self._world.forge.push, REPOSITORY, "deploys", files, wording.COMMIT_MESSAGE)

    async def _deploy(self, label: str, commit: str, ttl: int = 3600) -> None:
        body = {"label": label, "repository": REPOSITORY, "ref": "deploys", "ttl_seconds": ttl}
        await self._until_accepted(body)
        await wait_until(wording.is_deployed(label), lambda: self._not_deployed(label, commit), TIMEOUT)
        name = await self._name(label)
        if running := leak_check.processes(f"/{name}/home"):
            raise StepFailed(wording.runs_unrequested(label, running))
        self.result.deploys.add(label)
        self.result.names.add(name)
        self._say(wording.deployed(label))

    async def _open_the_first(self, commit: str) -> None:
        started = time.monotonic()
        status, text = await self._request(REPLACED)
        self.result.first_request = time.monotonic() - started
        if status != 200 or commit not in text:
            raise StepFailed(wording.wrong_first_answer(REPLACED, status, text))
        self._say(wording.first_answered(REPLACED, self.result.first_request))

    async def _send_many(self) -> None:
        """``ephd`` is killed as soon as it could have noticed the first of them."""
        asked = [asyncio.create_task(self._request(CROWDED)) for _ in range(COLD_REQUESTS)]
        await wait_until(wording.REQUESTS_ARE_RECORDED, lambda: self._not_requested(CROWDED), TIMEOUT)
        self._server.kill()
        await self._server.start()
        statuses = [each[0] for each in await asyncio.gather(*asked)]
        self.result.starts = await self._starts(CROWDED)
        if statuses != [200] * COLD_REQUESTS or self.result.starts != 1:
            raise StepFailed(wording.wrong_answers(COLD_REQUESTS, sorted(set(statuses)), self.result.starts))
        self._say(wording.many_answered(COLD_REQUESTS, CROWDED))

    async def _kill_the_gateway(self) -> None:
        asked = asyncio.create_task(self._request(KILLED))
        await wait_until(wording.REQUEST_IS_RECORDED, lambda: self._not_requested(KILLED), TIMEOUT)
        self._server.kill_gateway()
        await asyncio.wait_for(asked, TIMEOUT)  # an answer or a closed connection, but it doesn't hang
        await wait_until(wording.answers(KILLED), lambda: self._not_answering(KILLED), TIMEOUT)
        if (count := await self._starts(KILLED)) != 1:
            raise StepFailed(wording.started_repeatedly(KILLED, count))
        self._say(wording.gateway_killed(KILLED))

    async def _replace(self, before: str) -> None:
        """First with a kill in the middle, which loses the order and nothing else."""
        commit = await self._push("#ea580c\n")
        await self._until_accepted({"label": REPLACED, "repository": REPOSITORY, "ref": "deploys"})
        await wait_until(wording.REPLACEMENT_IS_BUILDING, self._not_building, TIMEOUT)
        self._server.kill()
        if problem := await self._not_serving(REPLACED, before):
            raise StepFailed(wording.lost_without_server(REPLACED, problem))
        await self._server.start()
        if problem := await self._not_serving(REPLACED, before, commit):
            raise StepFailed(wording.lost_after_kill(REPLACED, problem))
        self._say(wording.killed_while_replacing(REPLACED))
        await self._deploy_again(REPLACED, commit)
        kinds = [(each["kind"], each["commit"]) for each in await self._versions() if each["label"] == REPLACED]
        if kinds[:1] != [("ephemeral", commit)] or ("replaced", before) not in kinds:
            raise StepFailed(wording.wrong_versions(REPLACED, kinds))
        self._say(wording.replaced(REPLACED))

    async def _deploy_again(self, label: str, commit: str) -> None:
        await self._until_accepted({"label": label, "repository": REPOSITORY, "ref": "deploys"})
        await wait_until(wording.is_replaced(label), lambda: self._not_deployed(label, commit), TIMEOUT)

    async def _expire(self) -> None:
        commit = next(each["commit"] for each in await self._versions() if each["label"] == REPLACED)
        await self._deploy(EXPIRING, commit, SHORT_TTL)
        await wait_until(wording.is_not_served(EXPIRING), lambda: self._still(EXPIRING), TIMEOUT)
        await wait_until(wording.is_collected(EXPIRING), lambda: self._listed(EXPIRING), TIMEOUT)
        self._say(wording.expired(EXPIRING))

    async def _destroy_all(self) -> None:
        for label in (REPLACED, CROWDED, KILLED):
            view = await self._environment(label)
            (await self._api.post(f"environments/{view['name']}/down")).raise_for_status()
        for label in (REPLACED, CROWDED, KILLED):
            await wait_until(wording.is_destroyed(label), partial(self._listed, label), TIMEOUT)

    # --- what is seen

    async def _until_accepted(self, body: dict[str, Any]) -> None:
        """The repository is known only after the first cycle."""

        async def refused() -> str:
            try:
                answer = await self._api.post("deploys", json=body)
            except httpx.TransportError as error:
                return type(error).__name__
            return "" if answer.status_code == 202 else answer.text

        await wait_until(wording.is_accepted(body["label"]), refused, TIMEOUT)

    async def _request(self, label: str) -> tuple[int, str]:
        url, host = f"http://127.0.0.1:{self._world.ports.gateway}/", f"{label}.{APP_ROUTE}"
        try:
            answer = await self._previews.get(url, headers={"Host": host})
        except httpx.TransportError as error:
            return 0, type(error).__name__
        return answer.status_code, answer.text

    async def _versions(self) -> list[dict[str, Any]]:
        answer = await self._api.get("versions", params={"repository": REPOSITORY})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def _environment(self, label: str) -> dict[str, Any]:
        """Empty if there is none."""
        answer = await self._api.get("environments", params={"limit": 500})
        answer.raise_for_status()
        return next((each for each in answer.json()["items"] if each["ref_name"] == label), {})

    async def _name(self, label: str) -> str:
        return str((await self._environment(label))["name"])

    async def _not_deployed(self, label: str, commit: str) -> str:
        live = [each["commit"] for each in await self._versions() if each["label"] == label]
        return "" if live[:1] == [commit] else wording.versions_are(live)

    async def _listed(self, label: str) -> str:
        view = await self._environment(label)
        return "" if view.get("phase", "destroyed") == "destroyed" else wording.phase_is(view["phase"])

    async def _still(self, label: str) -> str:
        status, _ = await self._request(label)
        return "" if status in (404, 410) else wording.got(status)

    async def _not_answering(self, label: str) -> str:
        status, text = await self._request(label)
        return "" if status == 200 else wording.got(status, text)

    async def _not_serving(self, label: str, *commits: str) -> str:
        status, text = await self._request(label)
        return "" if status == 200 and any(commit in text for commit in commits) else wording.got(status, text)

    async def _not_building(self) -> str:
        phase = (await self._environment(REPLACED)).get("phase", "")
        return "" if phase == "updating" else wording.phase_is(phase)

    async def _not_requested(self, label: str) -> str:
        log = self._world.settings.gateway_dir / file_names.TRAFFIC
        return "" if f"{label}.{APP_ROUTE}" in log.read_text().partition('"knocks"')[2] else wording.NO_REQUEST

    async def _starts(self, label: str) -> int:
        """By the output of the app itself: what Eph reports may be lost with a kill."""
        name = await self._name(label)
        logs = Path(self._world.target_settings["root"]) / "supervisor" / "logs"
        return sum(path.read_text().count(wording.SHOP_IS_OPEN) for path in logs.glob(f"{name}.web.*.log"))
