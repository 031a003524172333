"""`eph server`, and its API: O4, P5, S1."""

from __future__ import annotations

import json

import httpx
import pytest

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.cli.commands import server
from orchestrator.service.fake import FakeEnvironmentService
from tests.cli.conftest import Eph
from tests.surfaces.api_server import TOKENS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "POLL_INTERVAL", 0.0)


def test_only_admins_pause_and_resume(eph: Eph, desk: FakeEnvironmentService) -> None:
    for role in ("viewer", "developer"):
        for command in ("pause", "drain", "resume"):
            assert eph("server", command, role=role).exit_code == ExitCode.UNAUTHORISED
    assert desk.calls == []
    assert eph("server", "status", role="viewer").exit_code == 0


def test_a_pause_is_shown_with_its_reason_until_it_ends(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("server", "pause", "--reason", "kernel update").exit_code == 0
    assert desk.calls == [("pause", "kernel update", "admin-name")]
    shown = json.loads(eph("server", "status", "-o", "json").stdout)["pause"]
    assert (shown["by"], shown["reason"], shown["drained"]) == ("admin-name", "kernel update", True)
    assert eph("server", "resume").exit_code == 0
    assert json.loads(eph("server", "status", "-o", "json").stdout)["pause"] is None
    assert json.loads(eph("server", "resume", "-o", "json").stdout) == {"was_paused": False}


def test_drain_waits_until_nothing_runs(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.still_running = 3
    done = eph("server", "drain", "-o", "json")
    assert done.exit_code == 0
    state = json.loads(done.stdout)
    assert (state["remaining"], state["drained"]) == (0, True)


def test_a_drain_that_takes_too_long_fails_and_leaves_the_pause(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.still_running = 10**9
    assert eph("server", "drain", "--timeout", "1s").exit_code == ExitCode.FAILED
    assert desk.paused is not None


def test_the_reason_has_a_limit(url: str) -> None:
    headers = {"Authorization": f"Bearer {TOKENS['admin']}"}
    refused = httpx.post(f"{url}/api/v1/pause", json={"reason": "x" * 201}, headers=headers)
    assert refused.status_code == 422
