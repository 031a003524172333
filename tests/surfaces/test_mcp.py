"""Tools for coding agents over ``/mcp``, with the official client and a real server. Rows: P11, S1 (scoped tokens)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from orchestrator.auth.identities import Caller, Role
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from orchestrator.surfaces.mcp.confirmations import DestroyConfirmations
from orchestrator.surfaces.mcp.tool_catalog import TOOLS
from tests.mcp_client import connected
from tests.surfaces.api_server import TOKENS

NAME = "shop-gentle-stream-42"


async def test_the_tools_are_listed_with_their_arguments(url: str) -> None:  # P11
    async with connected(url, TOKENS["viewer"]) as agent:
        found = {tool.name: tool for tool in (await agent.client.list_tools()).tools}
    assert set(found) == set(TOOLS)
    assert "required" not in found["create_environment"].input_schema
    hints = found["destroy_environment"].annotations
    assert hints is not None
    assert (hints.destructive_hint, hints.read_only_hint) == (True, False)


async def test_an_agent_creates_waits_and_destroys_with_a_confirmation(
    url: str, desk: FakeEnvironmentService
) -> None:  # P11, M1
    async with connected(url, TOKENS["developer"]) as agent:
        created = await agent.call("create_environment", label="feat-x", ref="feat", ttl_seconds=3600)
        assert (created["state"], created["deploy"]) == ("pending", "deploy-1")
        desk.queue_phases(NAME, Phase.CREATING, Phase.ASLEEP, Phase.READY)
        ready = await agent.call("wait_until_ready", name=NAME, deploy=created["deploy"])
        assert (ready["ready"], ready["url"]) == (True, f"http://{NAME}.localhost:8080")
        asked = await agent.call("destroy_environment", name=NAME)
        assert "down" not in [call[0] for call in desk.calls]
        wrong = await agent.call("destroy_environment", name="shop-gentle-stream-7", confirmation=asked["confirmation"])
        assert "isn't valid" in wrong["error"]
        done = await agent.call("destroy_environment", name=NAME, confirmation=asked["confirmation"])
        assert done["destroying"] == NAME
    assert ("down", NAME, "developer-name") in desk.calls


async def test_an_agent_requests_the_environment_of_a_pull_request(
    url: str, desk: FakeEnvironmentService
) -> None:  # P11
    """It may take a cycle until the server has read the label."""
    async with connected(url, TOKENS["developer"]) as agent:
        created = await agent.call("create_environment", repository="demo/shop", pull_request=77)
        assert (created["name"], created["state"], created["label_added"]) == ("demo/shop#77", "pending", True)
        waiting = await agent.call("wait_until_ready", name=created["name"], timeout_seconds=1)
        assert "error" in waiting, "nothing requests it"
        asked = asyncio.create_task(agent.call("wait_until_ready", name=created["name"]))
        await asyncio.sleep(0)
        desk.put_environment(sample(77))
        assert (await asked)["ready"]
    assert desk.calls == [("create", "demo/shop#77", "developer-name")]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"label": "x", "pull_request": 7},
        {"pull_request": 0},
        {"pull_request": 7, "ref": "main"},
        {"pull_request": 7, "ttl_seconds": 60},
    ],
)
async def test_a_label_and_a_pull_request_exclude_each_other(
    url: str, desk: FakeEnvironmentService, given: dict[str, Any]
) -> None:  # P11
    async with connected(url, TOKENS["developer"]) as agent:
        assert "error" in await agent.call("create_environment", **given)
    assert (agent.session, desk.calls) == ([("create_environment", True)], [])


async def test_a_failed_build_is_an_error_with_its_output_and_what_to_do(
    url: str, desk: FakeEnvironmentService
) -> None:  # P11, M3
    desk.deploy_error = "build: npm failed"
    async with connected(url, TOKENS["developer"]) as agent:
        created = await agent.call("create_environment", label="feat-x", ref="feat")
        failed = await agent.call("wait_until_ready", name=created["name"], deploy=created["deploy"])
    assert (failed["ready"], failed["error"]) == (False, "build: npm failed")
    assert "create_environment again" in failed["next"]
    assert agent.session[-1] == ("wait_until_ready", True)


async def test_a_failed_wake_is_an_error(url: str, desk: FakeEnvironmentService) -> None:  # P11
    failure = FailureView("a" * 40, "Health check web", "It exited with 3.", (), START, 1, None)
    desk.put_environment(sample(42, Phase.ASLEEP))
    async with connected(url, TOKENS["developer"]) as agent:
        asked = asyncio.create_task(agent.call("wait_until_ready", name=NAME))
        while not any(call[0] == "wake" for call in desk.calls):
            await asyncio.sleep(0)
        desk.put_environment(replace(sample(42, Phase.ASLEEP), failure=failure))
        failed = await asked
    assert (failed["ready"], failed["error"]) == (False, "It exited with 3.")


async def test_errors_say_what_to_do(url: str, desk: FakeEnvironmentService) -> None:  # P11
    async with connected(url, TOKENS["developer"]) as agent:
        missing = await agent.call("get_environment", name="shop-gentle-straem-42")
        assert NAME in missing["next"]
        wrong = await agent.call("create_environment", label="x", rev="main")
        assert "rev" in wrong["error"]
        assert "ref" in wrong["next"]
        assert "list_environments" in (await agent.call("reboot", name=NAME))["next"]
        desk.refusal = "It is being destroyed."
        refused = await agent.call("extend", name=NAME, seconds=60)
        assert (refused["error"], refused["reason"]) == ("It is being destroyed.", "forge-error")
    assert all(failed for _, failed in agent.session)


@pytest.mark.parametrize("seconds", [0, -1, -7200])
@pytest.mark.parametrize(
    ("tool", "given", "argument"),
    [
        ("create_environment", {"label": "x", "ref": "feat"}, "ttl_seconds"),
        ("extend", {"name": NAME}, "seconds"),
    ],
)
async def test_a_ttl_that_is_not_positive_is_refused(
    url: str, desk: FakeEnvironmentService, tool: str, given: dict[str, str], argument: str, seconds: int
) -> None:  # M1, P11
    async with connected(url, TOKENS["developer"]) as agent:
        refused = await agent.call(tool, **{**given, argument: seconds})
    assert argument in refused["error"]
    assert (agent.session, desk.calls) == ([(tool, True)], [])


async def test_an_agent_runs_a_command(url: str, desk: FakeEnvironmentService) -> None:  # P11
    desk.exec_code = 3
    async with connected(url, TOKENS["developer"]) as agent:
        done = await agent.call("exec", name=NAME, command=["ls", "-l"], service="api")
        assert (done["exit_code"], done["stdout"], done["stderr"]) == (3, "ls -l\n", "warning: a fake\n")
        long = await agent.call("exec", name=NAME, command=["x" * 9000])
        assert (len(long["stdout"]), long["output_cut"]) == (6000, True)
    assert desk.calls[0] == ("exec", NAME, "developer-name", "api", "ls", "-l")


@pytest.mark.parametrize("overrides", [{"exec_role": None}, {"exec_role": Role.ADMIN}])
async def test_an_agent_runs_no_command_that_the_server_does_not_allow(
    url: str, desk: FakeEnvironmentService
) -> None:  # P11
    async with connected(url, TOKENS["developer"]) as agent:
        refused = await agent.call("exec", name=NAME, command=["ls"])
    assert "get_logs" in refused["next"]
    assert (agent.session, desk.calls) == ([("exec", True)], [])


async def test_a_viewer_reads_and_changes_nothing(url: str, desk: FakeEnvironmentService) -> None:  # P11, S1
    async with connected(url, TOKENS["viewer"]) as agent:
        listed = await agent.call("list_environments")
        assert (len(listed["environments"]), listed["total"]) == (4, 4)
        assert (await agent.call("explain_state", name=NAME))["sentences"]
        for tool, given in (
            ("create_environment", {"label": "x", "ref": "feat"}),
            ("create_environment", {"repository": "demo/shop", "pull_request": 7}),
            ("extend", {"name": NAME, "seconds": 60}),
            ("restart", {"name": NAME}),
            ("run_tests", {"name": NAME}),
            ("destroy_environment", {"name": NAME}),
        ):
            assert "requires developer" in (await agent.call(tool, **given))["error"]
    assert desk.calls == []


async def test_an_agent_sets_variables_and_never_reads_a_secret(url: str, desk: FakeEnvironmentService) -> None:
    """P11, Y5"""
    async with connected(url, TOKENS["developer"]) as agent:
        await agent.call("set_variables", name=NAME, set={"LOG_LEVEL": "debug"})
        found = await agent.call("set_variables", name=NAME, set={"API_KEY": "hunter2"}, secret=True)
        assert {"name": "API_KEY", "value": None, "secret": True} in found["variables"]
        assert "hunter2" not in json.dumps(await agent.call("list_variables", name=NAME))
        left = await agent.call("set_variables", name=NAME, unset=["API_KEY"])
        assert left["variables"] == [{"name": "LOG_LEVEL", "value": "debug", "secret": False}]
    async with connected(url, TOKENS["viewer"]) as agent:
        for tool in ("list_variables", "set_variables", "reset_database"):
            assert "requires developer" in (await agent.call(tool, name=NAME))["error"]


async def test_an_agent_resets_a_database_with_a_confirmation_for_that_database(
    url: str, desk: FakeEnvironmentService
) -> None:
    """P11, D4: a confirmation to destroy, or for another database, isn't one."""
    async with connected(url, TOKENS["developer"]) as agent:
        asked = await agent.call("reset_database", name=NAME)
        assert asked["would_reset"] == ["main"]
        other = (await agent.call("destroy_environment", name=NAME))["confirmation"]
        for wrong in (other, "1.2"):
            assert "isn't valid" in (await agent.call("reset_database", name=NAME, confirmation=wrong))["error"]
        token = asked["confirmation"]
        assert "error" in await agent.call("reset_database", name=NAME, database="extra", confirmation=token)
        assert "reset_database" not in [call[0] for call in desk.calls]
        assert (await agent.call("reset_database", name=NAME, confirmation=token))["resetting"] == "main"
    assert desk.calls[-1] == ("reset_database", NAME, "developer-name", "")


@pytest.mark.parametrize("role", ["nobody", "wrong"])
def test_without_a_valid_token_nothing_is_reachable(url: str, role: str) -> None:  # P11, S1
    headers = {"Authorization": "Bearer wrong"} if role == "wrong" else {}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    answer = httpx.post(f"{url}/mcp", json=body, headers=headers, trust_env=False)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("overrides", [{"public_reads": True}], indirect=False)
def test_public_reads_open_no_tools(url: str) -> None:  # P11, S1
    assert httpx.post(f"{url}/mcp", json={}, trust_env=False).status_code == 401


def test_there_is_no_stream_to_listen_to(as_role: Callable[[str], httpx.Client]) -> None:
    assert as_role("developer").get("/mcp").status_code == 405


async def test_eph_yaml_is_validated_and_explained(url: str) -> None:  # P11
    async with connected(url, TOKENS["viewer"]) as agent:
        checked = await agent.call("validate_eph_yaml", text="version: '1.0'\nservices: 3\n")
        assert not checked["valid"]
        assert checked["problems"][0].startswith("eph.yaml:1:1: name is missing")
        assert "app" in (await agent.call("explain_eph_yaml"))["keys"]
        assert "app.route" in (await agent.call("explain_eph_yaml", key="app"))["keys"]
        assert "top-level" in (await agent.call("explain_eph_yaml", key="nope"))["next"]


async def test_results_stay_small(url: str, desk: FakeEnvironmentService) -> None:  # P11
    for number in range(100, 300):
        desk.put_environment(sample(number))
    desk.add_log_lines(NAME, *("x" * 100 for _ in range(1000)))
    async with connected(url, TOKENS["viewer"]) as agent:
        listed = await agent.call("list_environments")
        assert (len(listed["environments"]), listed["total"]) == (20, 204)
        assert len(json.dumps(listed)) < 6_000
        assert len((await agent.call("get_logs", name=NAME))["lines"]) == 50


def test_a_confirmation_is_bound_to_caller_environment_commit_and_time() -> None:  # P11
    made, caller, view = DestroyConfirmations(b"k" * 32), Caller("ada", Role.DEVELOPER, token="t1"), sample(42)
    token = made.issue(caller, view, START)
    assert made.is_valid(token, caller, view, START + timedelta(minutes=4))
    assert not made.is_valid(token, caller, view, START + timedelta(minutes=6))
    assert not made.is_valid(token, Caller("ada", Role.DEVELOPER, token="t2"), view, START)
    assert not made.is_valid(token, caller, sample(7), START)
    assert not DestroyConfirmations(b"x" * 32).is_valid(token, caller, view, START)
    assert not made.is_valid("", caller, view, START)
