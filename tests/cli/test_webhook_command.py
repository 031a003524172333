"""`eph webhook test` uses the server's Git host, so the client doesn't need to know it. Rows: P7, O5."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.main import app
from orchestrator.service.fake import FakeEnvironmentService
from orchestrator.service.port import WebhookTestResult
from orchestrator.surfaces.api.app import create_app
from tests.surfaces.api_server import TOKENS, api_settings, serve

ARRIVED = WebhookTestResult(
    url="https://eph.example/api/v1/webhooks/gitea",
    status=202,
    milliseconds=12.0,
    arrived=True,
    message="it arrived",
    hook_urls=("https://eph.example/hook",),
    deliveries=("2026-03-02T11:00:00Z push: 202 OK",),
)


@pytest.mark.parametrize(("arrived", "exit_code"), [(True, 0), (False, 1)])
def test_result_is_printed_for_any_git_host(monkeypatch: pytest.MonkeyPatch, arrived: bool, exit_code: int) -> None:
    result = send_test(monkeypatch, replace(ARRIVED, arrived=arrived))
    assert result.exit_code == exit_code
    for part in ("webhooks/gitea: 202 in 12 ms", "it arrived", "https://eph.example/hook", "push: 202 OK"):
        assert part in result.output


def send_test(monkeypatch: pytest.MonkeyPatch, outcome: WebhookTestResult) -> Result:
    async def test() -> WebhookTestResult:
        return outcome

    api = create_app(FakeEnvironmentService(), api_settings(forge="gitea", webhook_test=test))
    with serve(api) as url:
        monkeypatch.setenv("EPH_URL", url)
        monkeypatch.setenv("EPH_TOKEN", TOKENS["admin"])
        return CliRunner().invoke(app, ["webhook", "test"])
