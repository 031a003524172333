"""``eph events``, ``watch``, ``wtf``, and fields and filters of JSON. Row: P5."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import Result

from orchestrator.cli import diagnosis, output, polling
from orchestrator.cli.commands import environment_list
from orchestrator.cli.diagnosis import FindingLevel
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from orchestrator.surfaces.api.schemas.environment_schemas import (
    EnvironmentItem,
    EventItem,
    ForgeRateLimit,
    StatusResponse,
)
from programs.runtime_info import ProcessInfo, RuntimeInfo

Eph = Callable[..., Result]
NAME = "shop-gentle-stream-42"


# --- JSON


def test_json_prints_only_the_named_fields(eph: Eph) -> None:
    found = json.loads(eph("list", "--json", "name, phase", "--phase", "failed").stdout)
    assert found == [{"name": "shop-gentle-stream-9", "phase": "failed"}]
    assert json.loads(eph("get", NAME, "--json", "number").stdout) == {"number": 42}
    assert json.loads(eph("versions", "--json", "kind", "--ephemeral").stdout) == []


@pytest.mark.parametrize(
    "command", [("list",), ("list", "--phase", "asleep"), ("get", NAME), ("versions",), ("steps", NAME), ("events",)]
)
def test_unknown_field_lists_those_that_exist(eph: Eph, command: tuple[str, ...]) -> None:
    result = eph(*command, "--json", "nmae")
    assert result.exit_code == 2, result.output
    assert "'nmae'" in result.stderr
    assert "hint:  Fields: " in result.stderr


def test_jq_filters(eph: Eph) -> None:
    assert eph("list", "--jq", '.[] | select(.phase == "failed") | .name').stdout == "shop-gentle-stream-9\n"
    assert eph("get", NAME, "--json", "number,phase", "--jq", ".number # the number").stdout == "42\n"
    assert eph("get", NAME, "--jq", "-1").stdout == "-1\n", "not an option of jq"
    broken = eph("list", "--jq", ".[")
    assert broken.exit_code == 2
    assert "jq failed" in broken.stderr


def test_without_jq_the_error_says_what_to_do(eph: Eph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = eph("list", "--jq", ".")
    assert result.exit_code == 2
    assert "jq is not installed" in result.stderr


def test_options_that_contradict_each_other(eph: Eph) -> None:
    for words in (
        ("list", "--json", "name", "-o", "yaml"),
        ("list", "--watch", "--json", "name"),
        ("events", "--follow", "-o", "json"),
    ):
        assert eph(*words).exit_code == 2, words


# --- A narrow terminal


def test_url_has_a_line_of_its_own_if_it_does_not_fit(eph: Eph, monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow(*, err: bool = False) -> Console:
        return Console(stderr=err, width=70, highlight=False, markup=False, emoji=False)

    monkeypatch.setattr(output, "console", narrow)
    lines = eph("list").stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(NAME))
    assert lines[at + 1] == f"  http://{NAME}.localhost:8080"
    assert "URL" not in lines[0]
    assert "PULL REQUEST" in lines[0]
    assert all(len(line) <= 70 for line in lines)
    assert sum(line.startswith("  http") for line in lines) == 2, "an environment without a URL has one line"


# --- Events


def test_events_of_all_or_of_one(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.add_event("service.started", "started")
    desk.add_event("environment.ready", "It is ready.", NAME)
    desk.add_event("environment.failed", "It failed.", "demo/shop#9")
    assert [item["kind"] for item in json.loads(eph("events", "-o", "json").stdout)] == [
        "service.started",
        "environment.ready",
        "environment.failed",
    ]
    assert json.loads(eph("events", "42", "--json", "message").stdout) == [{"message": "It is ready."}]
    assert "environment.failed" in eph("events", "-n", "1").stdout
    assert "service.started" not in eph("events", "-n", "1").stdout
    assert eph("events", "nothing-like-it").exit_code == 4


def test_events_of_a_destroyed_environment_by_its_stack(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.add_event("environment.destroyed", "It is gone.", NAME)
    del desk.views["eph-shop-9ix/pr-42"]
    assert "It is gone." in eph("events", "eph-shop-9ix/pr-42").stdout


def test_events_since(eph: Eph, desk: FakeEnvironmentService) -> None:
    now = datetime.now(UTC)
    for hours, message in ((3, "old"), (1, "new")):
        at = now - timedelta(hours=hours)
        desk.clock = partial(datetime.fromtimestamp, at.timestamp(), UTC)
        desk.add_event("environment.ready", message)
    assert [item["message"] for item in json.loads(eph("events", "--since", "2h", "-o", "json").stdout)] == ["new"]
    assert eph("events", "--since", "soon").exit_code == 2


# --- Watching


class TestWatching:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(polling, "POLL_INTERVAL", 0.0)
        monkeypatch.setattr(environment_list, "WATCH_INTERVAL", 0.0)

    def test_until_it_is_ready(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.queue_phases(NAME, Phase.CREATING, Phase.STARTING, Phase.READY)
        result = eph("watch", "shop-gentle-stream-4")
        assert result.exit_code == 0, result.output
        assert result.stdout == f"http://{NAME}.localhost:8080\n"
        assert f"{NAME} starting" in result.stderr

    def test_until_it_fails(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.queue_phases(NAME, Phase.CREATING, Phase.CREATING, Phase.FAILED)
        assert eph("watch", NAME).exit_code == 1
        assert eph("watch", "9").exit_code == 1, "it has failed already"

    def test_until_it_is_gone_or_the_time_is_over(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.queue_phases("demo/shop#7", Phase.UPDATING, Phase.DESTROYING, Phase.DESTROYED)
        assert eph("watch", "7").exit_code == 1
        desk.queue_phases(NAME, *[Phase.CREATING] * 10_000)
        late = eph("watch", NAME, "--timeout", "1s")
        assert late.exit_code == 1
        assert "not ready after 1 s" in late.stderr

    def test_list_is_printed_again_when_it_changes(
        self, eph: Eph, desk: FakeEnvironmentService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rounds: list[float] = []

        def next_round(seconds: float) -> None:
            rounds.append(seconds)
            if len(rounds) == 2:
                desk.put_environment(sample(42, Phase.UPDATING))
            elif len(rounds) == 4:
                raise KeyboardInterrupt

        monkeypatch.setattr(environment_list, "pause", next_round)
        result = eph("list", "--watch")
        assert result.exit_code == 130
        assert result.stdout.count("PULL REQUEST") == 2
        assert "updating" in result.stdout


# --- eph wtf


def test_wtf_names_what_failed_and_the_next_command(eph: Eph, desk: FakeEnvironmentService) -> None:
    failure = FailureView("9" * 40, "build", "make exited with status 2.", ("no rule",), START, 2, None)
    desk.put_environment(replace(sample(9, Phase.FAILED), failure=failure))
    desk.put_environment(replace(sample(7, Phase.HELD), command="eph approve 4f2a91c0"))
    desk.notes = ("acme/shop couldn't be read",)
    desk.add_event("environment.failed", "It failed.", "demo/shop#9")
    result = eph("wtf", "-o", "json")
    found = {each["about"]: each for each in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert "make exited with status 2." in found["shop-gentle-stream-9"]["what"]
    assert found["shop-gentle-stream-7"]["todo"] == "eph approve 4f2a91c0"
    assert found["service"]["what"] == "acme/shop couldn't be read"
    assert NAME not in found
    one = eph("wtf", "9")
    assert one.exit_code == 1
    for part in ("make exited with status 2.", "no rule", "environment.failed", "eph logs shop-gentle-stream-9"):
        assert part in one.stdout
    well = eph("wtf", NAME)
    assert (well.exit_code, "Nothing is wrong." in well.stdout) == (0, True)


def test_wtf_shows_a_process_that_fails(eph: Eph, desk: FakeEnvironmentService) -> None:
    process = ProcessInfo("web-1", "web", "failing", "exit status 3", 2, START, "")
    desk.runtime_info_result = RuntimeInfo((process,))
    result = eph("wtf", NAME)
    assert result.exit_code == 1
    assert "web is failing: exit status 3" in result.stdout
    assert f"eph logs {NAME} --service web" in result.stdout


def test_wtf_without_a_server_looks_at_this_machine(eph: Eph, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from orchestrator.cli.main import app

    monkeypatch.delenv("EPH_URL", raising=False)
    result = CliRunner().invoke(app, ["wtf", "-o", "json"], env={**os.environ})
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["about"] == "server"


def status(**more: object) -> StatusResponse:
    base = StatusResponse(
        version="1", started=START, last_cycle=START, cycle_seconds=0.1, complete=True, notes=[], running=0, queued=0,
        environments=0,
    )  # fmt: skip
    return base.model_copy(update=more)


def test_diagnosis_of_a_healthy_service_is_empty() -> None:
    usual = ForgeRateLimit(remaining=4000, limit=5000, blocked_seconds=0)
    assert list(diagnosis.of_status(status(rate_limit=usual), "1", START)) == []


@pytest.mark.parametrize(
    ("update", "about", "level"),
    [
        ({"last_cycle": START - timedelta(minutes=6)}, "loop", FindingLevel.PROBLEM),
        ({"last_cycle": None, "started": START - timedelta(hours=1)}, "loop", FindingLevel.PROBLEM),
        ({"complete": False}, "reading", FindingLevel.WARNING),
        ({"version": "2"}, "version", FindingLevel.WARNING),
        ({"rate_limit": ForgeRateLimit(remaining=0, limit=5000, blocked_seconds=60)}, "Git host", FindingLevel.PROBLEM),
        ({"rate_limit": ForgeRateLimit(remaining=40, limit=5000, blocked_seconds=0)}, "Git host", FindingLevel.WARNING),
    ],
)
def test_diagnosis_of_the_service(update: dict[str, object], about: str, level: FindingLevel) -> None:
    found = list(diagnosis.of_status(status(**update), "1", START))
    assert [(each.about, each.level) for each in found] == [(about, level)]


def test_diagnosis_of_slow_and_waiting_environments() -> None:
    slow = replace(sample(1, Phase.CREATING), since=START - timedelta(hours=1))
    quick = replace(sample(2, Phase.CREATING), since=START - timedelta(minutes=1))
    queued = replace(sample(3, Phase.QUEUED), queue_position=2)
    items = [EnvironmentItem.model_validate(view) for view in (slow, quick, queued, sample(4), sample(5, Phase.ASLEEP))]
    found = list(diagnosis.of_environments(items, START))
    assert [(each.about[-1], each.level) for each in found] == [
        ("1", FindingLevel.WARNING),
        ("3", FindingLevel.WARNING),
    ]


def test_diagnosis_of_recent_trouble_only() -> None:
    def event(kind: str, hours: int) -> EventItem:
        at = START - timedelta(hours=hours)
        return EventItem(id=1, at=at, kind=kind, subject="", message="m", actor="eph", data={})

    found = diagnosis.of_events([event("report.failed", 3), event("cycle.failed", 0), event("token.created", 0)], START)
    assert [each.about for each in found] == ["cycle.failed"]
