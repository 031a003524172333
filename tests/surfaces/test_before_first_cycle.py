"""M5: right after a start nothing is known yet. That is a 503 with a reason everywhere, and never "there is none"."""

from __future__ import annotations

import httpx
import pytest

from orchestrator.service import wording
from orchestrator.service.fake import START, FakeEnvironmentService
from tests.mcp_client import connected
from tests.surfaces.api_server import TOKENS

NAME = "shop-gentle-stream-42"


@pytest.fixture(autouse=True)
def starting(desk: FakeEnvironmentService) -> None:
    desk.last_cycle = None


@pytest.mark.parametrize("path", ["environments", f"environments/{NAME}", f"environments/{NAME}/why", "versions"])
def test_lookups_over_the_api(admin: httpx.Client, desk: FakeEnvironmentService, path: str) -> None:
    answer = admin.get(f"/api/v1/{path}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == (503, "unavailable", wording.FIRST_CYCLE)
    desk.last_cycle = START
    assert admin.get(f"/api/v1/{path}").status_code == 200


@pytest.mark.parametrize("path", ["/", f"/e/{NAME}", "/apps/demo/shop", "/removed"])
def test_pages_of_the_dashboard_reload_until_they_are_known(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (503, "text/html")
    assert 'data-refresh="5"' in answer.text


def test_a_form_that_comes_too_early_is_not_sent_again_by_itself(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:
    answer = admin.post(f"/e/{NAME}/down")
    assert (answer.status_code, 'data-refresh="0"' in answer.text, desk.calls) == (503, True, [])


def test_the_server_itself_has_a_state(admin: httpx.Client) -> None:
    assert admin.get("/api/v1/status").json()["environments"] == 0
    assert admin.get("/server").status_code == 200
    metrics = admin.get("/metrics")
    assert (metrics.status_code, "eph_environments{" in metrics.text, "eph_info{" in metrics.text) == (200, False, True)


async def test_an_agent_is_not_told_that_it_is_gone(url: str) -> None:
    async with connected(url, TOKENS["developer"]) as agent:
        for tool in ("get_environment", "destroy_environment"):
            assert (await agent.call(tool, name=NAME))["error"] == wording.FIRST_CYCLE
