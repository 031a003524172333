"""``eph restart``, ``env``, ``db`` and ``logs --since``, with a real server and a service in memory. P5, Y5, D4."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.config.variable_vault import VariableValue
from orchestrator.service.fake import FakeEnvironmentService
from programs.steps import StepEvent, StepEventKind
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


def test_env_sets_lists_and_unsets(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("env", "set", NAME, "LOG_LEVEL=debug", "QUERY=a=b", "EMPTY=").exit_code == 0
    assert eph("env", "set", NAME, "STRIPE_KEY=-", "--secret", input="sk-sesame-open\n").exit_code == 0
    listed = eph("env", "list", NAME)
    assert "debug" in listed.output
    assert "STRIPE_KEY" in listed.output
    assert "sesame" not in listed.output
    assert desk.held_variables[NAME]["STRIPE_KEY"] == VariableValue("sk-sesame-open", secret=True)
    assert desk.held_variables[NAME]["QUERY"].value == "a=b"
    names = eph("env", "list", NAME, "--json", "name,value", "--jq", ".[0]")
    assert json.loads(names.output) == {"name": "EMPTY", "value": ""}
    assert eph("env", "unset", NAME, "LOG_LEVEL", "EMPTY").exit_code == 0
    assert sorted(desk.held_variables[NAME]) == ["QUERY", "STRIPE_KEY"]


def test_env_reads_values_from_files(eph: Eph, desk: FakeEnvironmentService, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN\nabc\n")
    assert eph("env", "set", NAME, "--from-file", f"KEY={key}", "--secret").exit_code == 0
    assert desk.held_variables[NAME]["KEY"].value == "-----BEGIN\nabc"
    missing = eph("env", "set", NAME, "--from-file", f"KEY={tmp_path / 'nothing'}")
    assert missing.exit_code == 2


def test_env_never_repeats_what_may_be_a_value(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("env", "set", NAME).exit_code == 2
    assert eph("env", "set", NAME, "=sesame").exit_code == 2
    assert eph("env", "set", NAME, "A=-", "B=-", input="x").exit_code == 2
    assert eph("env", "set", NAME, "A=-", input="").exit_code == 2
    long = eph("env", "set", NAME, "A=" + "sesame" * 1000)
    assert long.exit_code == 2
    assert "sesame" not in long.output
    assert NAME not in desk.held_variables


def test_env_requires_the_role_developer(eph: Eph) -> None:
    assert eph("env", "list", NAME, role="viewer").exit_code == 3
    assert eph("env", "set", NAME, "A=b", role="viewer").exit_code == 3


def test_db_reset_asks_before_it_deletes_anything(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("db", "reset", NAME).exit_code == 2
    assert eph("db", "reset", NAME, "--yes", role="viewer").exit_code == 3
    assert not [call for call in desk.calls if call[0] == "reset_database"]
    done = eph("db", "reset", NAME, "main", "--yes", "--output", "json")
    assert json.loads(done.output) == {"name": NAME, "database": "main"}
    assert desk.calls[-1] == ("reset_database", NAME, "admin-name", "main")


def test_logs_since_selects_a_period(eph: Eph, desk: FakeEnvironmentService) -> None:
    now = datetime.now(UTC).timestamp()
    desk.step_events = [
        StepEvent(StepEventKind.LINES, "Build", now - seconds, (text,)) for seconds, text in ((7200, "old"), (1, "new"))
    ]
    recent = eph("logs", NAME, "--since", "1h")
    assert recent.exit_code == 0, recent.output
    assert "Build | new" in recent.output
    assert "old" not in recent.output
    assert "Build | old" in eph("logs", NAME).output
    followed = eph("logs", NAME, "--since", "1h", "--follow")
    assert "Build | new" in followed.output
    assert "old" not in followed.output
    for other in ("--operation", "--previous"):
        assert eph("logs", NAME, "--since", "1h", other).exit_code == 2
    assert eph("logs", NAME, "--since", "soon").exit_code == 2
