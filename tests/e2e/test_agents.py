"""A coding agent goes from a broken branch to a green preview, with a real ephd and the official MCP client. Rows: P11,
M1, M4, P4."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.e2e import site as sites
from tests.e2e.site import REPOSITORY, ROOT, Site, shop_files, wait_until
from tests.mcp_client import Agent, connected

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]

ROUTE = "shop.localhost"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.running_site(local=f'[deploys.routes]\n"{ROUTE}" = "{REPOSITORY}"\n') as made:
        wait_until("ephd has read the repositories", lambda: "" if made.eph("list").returncode == 0 else "no", 90)
        yield made


def files(**changes: str) -> dict[str, str]:
    found = shop_files()
    text = found["eph.yaml"] + f"app:\n  route: {ROUTE}\n"
    return {**found, "eph.yaml": text, **changes}


def over_http(site: Site) -> AbstractAsyncContextManager[Agent]:
    return connected(f"http://127.0.0.1:{site.api_port}", site.api_token)


@asynccontextmanager
async def over_stdio(site: Site) -> Any:
    """As an agent starts it: `eph mcp`."""
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "orchestrator.cli.main", "mcp"], env=site.environ, cwd=ROOT
    )
    async with Client(command) as client:
        yield Agent(client)


async def wait_until_ready(agent: Agent, **what: str) -> dict[str, Any]:
    for _ in range(8):
        result = await agent.call("wait_until_ready", **what)
        if result["ready"] or agent.session[-1][1]:
            return result
    raise AssertionError(f"not ready: {result}")


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.exhaustive
async def test_from_a_broken_branch_to_a_green_preview(site: Site, tmp_path: Path, transport: str) -> None:
    branch = f"fix-{transport}"
    site.forge.push(REPOSITORY, branch, files(**{"build.sh": "echo cannot find module cart >&2; exit 3\n"}))
    async with (over_http if transport == "http" else over_stdio)(site) as agent:
        assert (await agent.call("validate_eph_yaml", text=files()["eph.yaml"]))["valid"]
        broken = await agent.call("create_environment", label=branch, ref=branch)
        failed = await wait_until_ready(agent, name=broken["name"], deploy=broken["deploy"])
        assert "cannot find module cart" in json.dumps(failed)
        assert "Push a fix" in failed["next"]

        fixed = site.forge.push(REPOSITORY, branch, files())
        created = await agent.call("create_environment", label=branch, ref=branch, ttl_seconds=3600)
        assert fixed.startswith(created["commit"])
        ready = await wait_until_ready(agent, name=created["name"], deploy=created["deploy"])
        assert ready["ready"], ready
        assert site.page(f"{branch}.{ROUTE}").data["commit"] == fixed
        assert (await agent.call("explain_state", name=created["name"]))["sentences"]
        assert '"/" 200' in str((await agent.call("get_logs", name=created["name"]))["lines"])
        assert (await agent.call("extend", name=created["name"], seconds=3600))["expires_at"]

        asked = await agent.call("destroy_environment", name=created["name"])
        assert site.page(f"{branch}.{ROUTE}").status == 200, "the first call only asks"
        await agent.call("destroy_environment", name=created["name"], confirmation=asked["confirmation"])
        wait_until(
            "it is gone", lambda: "" if site.page(f"{branch}.{ROUTE}").status in (404, 410) else "still there", 60
        )
    assert [tool for tool, is_error in agent.session if is_error] == ["wait_until_ready"]


@pytest.mark.exhaustive
async def test_an_agent_gets_the_environment_of_a_pull_request(site: Site) -> None:
    number, sha = site.open_pull("agents-pull", files(), label=False)
    async with over_http(site) as agent:
        created = await agent.call("create_environment", repository=REPOSITORY, pull_request=number)
        assert (created["name"], created["label_added"]) == (f"{REPOSITORY}#{number}", True)
        ready = await wait_until_ready(agent, name=created["name"])
    assert (ready["ready"], ready["commit"]) == (True, sha[:12]), ready
