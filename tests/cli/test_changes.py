"""``eph restart``, ``env`` and ``db`` against a real server with a service in memory. Rows: P5, Y5, D4."""

from __future__ import annotations

import json

from orchestrator.service.fake import FakeEnvironmentService
from tests.cli.conftest import Eph

NAME = "shop-gentle-stream-42"


def test_restart_names_what_it_restarted(eph: Eph, desk: FakeEnvironmentService) -> None:
    one = eph("restart", NAME, "web")
    assert one.exit_code == 0, one.output
    assert "web" in one.output
    everything = eph("restart", NAME, "--output", "json")
    assert json.loads(everything.output) == {"name": NAME, "services": ["web"]}
    assert [call for call in desk.calls if call[0] == "restart"] == [
        ("restart", NAME, "admin-name", "web"),
        ("restart", NAME, "admin-name", ""),
    ]


def test_restart_requires_the_role_developer(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("restart", NAME, role="viewer").exit_code == 3
    desk.refusal = "It is asleep."
    refused = eph("restart", NAME)
    assert refused.exit_code == 6
    assert "It is asleep." in refused.output
