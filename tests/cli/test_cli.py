"""``eph`` with a real server. Row: P5 (all that talk to it, --output, exit codes)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import Result

from orchestrator.cli import polling
from orchestrator.cli.cli_errors import ExitCode
from orchestrator.core.suites.junit import JUnitReport
from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.suites.suite_results import SuiteState
from orchestrator.core.views.environment_views import LinkView
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.page_links import line_url
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from programs import steps
from programs.runtime_info import ProcessInfo, RuntimeEvent, RuntimeInfo
from programs.steps import StepEvent, StepEventKind

Eph = Callable[..., Result]
NAME = "shop-gentle-stream-42"


def test_list_has_one_row_each_and_the_state_of_the_service(eph: Eph) -> None:
    result = eph("list")
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()
    assert rows[0].split() == ["NAME", "PHASE", "URL", "PULL", "REQUEST", "COMMIT", "EXPIRES"]
    assert len(rows) == 5
    row = next(line for line in rows if NAME in line)
    for part in ("ready", f"http://{NAME}.localhost:8080", "demo/shop#42", "2a2a2a2"):
        assert part in row
    assert "4 total, 0 running operations, 1 queued" in result.stderr


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_output_for_programs_is_complete(eph: Eph, form: str) -> None:
    def read(*args: str) -> Any:
        text = eph(*args, "-o", form).stdout
        return json.loads(text) if form == "json" else YAML(typ="safe").load(text)

    found = read("list", "--phase", "failed")
    assert [item["name"] for item in found] == ["shop-gentle-stream-9"]
    assert read("get", NAME)["ref"] == "eph-shop-9ix/pr-42"
    assert read("why", NAME)["sentences"]
    assert read("logs", NAME)["lines"] == []
    assert read("up", NAME)["phase"] == "creating"
    assert read("sweep", "--dry-run") == {"dry_run": True, "found": []}


@pytest.mark.parametrize(
    "typed",
    [
        NAME,
        "shop-gentle-stream-4",
        "demo/shop#42",
        "42",
        "#42",
        f"http://{NAME}.localhost:8080/x",
        "eph-shop-9ix/pr-42",
    ],
)
def test_name_can_be_typed_in_many_ways(eph: Eph, typed: str) -> None:
    result = eph("get", typed, "-o", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["name"] == NAME


def test_ambiguous_prefix_lists_the_candidates(eph: Eph) -> None:
    result = eph("get", "shop")
    assert result.exit_code == 4
    assert "matches 3 environments" in result.stderr
    assert NAME in result.stderr


def test_get_shows_the_failure_with_its_last_lines(eph: Eph, desk: FakeEnvironmentService) -> None:
    failure = FailureView("9" * 40, "build", "make exited with status 2.", ("no rule", "stop"), START, 2, START)
    desk.put_environment(replace(sample(9, Phase.FAILED), failure=failure))
    text = eph("get", "9").stdout
    assert "build: make exited with status 2." in text
    assert "  no rule\n  stop\n" in text


def test_get_shows_links_and_what_has_no_effect(eph: Eph, desk: FakeEnvironmentService) -> None:  # P14 Y2
    links = (LinkView("Admin", "http://shop.localhost/admin"),)
    desk.put_environment(replace(sample(9), links=links, notices=("eph.yaml:3:1: build: ignored",)))
    text = eph("get", "9").stdout
    assert "Admin" in text
    assert "http://shop.localhost/admin" in text
    assert "eph.yaml:3:1: build: ignored" in text


def test_why_prints_sentences_and_facts(eph: Eph) -> None:
    text = eph("why", NAME).stdout
    assert f"{NAME} is ready" in text
    assert "The pull request #42 is open and has the label preview." in text
    assert "eph-shop-9ix/pr-42" in text


def test_get_shows_pods_and_events(eph: Eph, desk: FakeEnvironmentService) -> None:
    """P5: states and reasons in words; what can't be read hides nothing else."""
    pod = ProcessInfo(
        "web-5d4f8-x", "web", "failing", "its process keeps exiting (3 times): exit status 3", 2, START, "shop:1"
    )
    desk.runtime_info_result = RuntimeInfo(
        (pod,), (RuntimeEvent(START, "pod web-5d4f8-x", "waits before the next try", bad=True, times=4),)
    )
    said = eph("get", NAME).stdout
    for part in ("web-5d4f8-x", "failing", "shop:1", "web: its process keeps exiting (3 times)", "next try (4 times)"):
        assert part in said, said
    assert json.loads(eph("get", NAME, "-o", "json").stdout)["processes"][0]["restarts"] == 2
    desk.unavailable_reason = "the target kubernetes could not be reached: no route"
    silent = eph("get", NAME)
    assert (silent.exit_code, "no route" in silent.stderr, NAME in silent.stdout) == (0, True, True)


def test_logs_of_the_previous_process(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.add_log_lines(NAME, "web died")
    assert eph("logs", NAME, "--previous").stdout == "web died (before)\n"
    assert eph("logs", NAME, "--previous", "--follow").exit_code == 2


def test_logs_and_following_them_to_the_end(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.add_log_lines(NAME, *(f"web line {number}" for number in range(5)))
    desk.add_log_lines(NAME, "pulumi up", operation=True)
    assert eph("logs", NAME, "-n", "2").stdout == "web line 3\nweb line 4\n"
    assert eph("logs", NAME, "--operation").stdout == "pulumi up\n"
    assert eph("logs", NAME, "--follow").stdout.count("\n") == 5
    assert eph("logs", NAME, "--follow", "-o", "json").exit_code == 2


def test_pull_request_output_cannot_control_the_terminal(eph: Eph, desk: FakeEnvironmentService) -> None:
    desk.add_log_lines(NAME, "\x1b]0;owned\x07\x1b[31mred\x1b[0m \x1b[2Jcleared\r\u202egnp.exe", "[bold]markup[/bold]")
    desk.put_environment(replace(sample(42), title="\x1b[5m[blink]title[/blink]"))
    assert eph("logs", NAME).stdout == "red clearedgnp.exe\n[bold]markup[/bold]\n"
    shown = eph("get", NAME).stdout
    assert "[blink]title[/blink]" in shown
    assert "\x1b" not in shown


class TestWaiting:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(polling, "POLL_INTERVAL", 0.0)

    def test_up_waits_until_ready_and_prints_the_url(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.put_environment(sample(42))
        desk.queue_phases(NAME, Phase.FAILED, Phase.CREATING, Phase.STARTING, Phase.READY)
        result = eph("up", NAME, "--wait")
        assert result.exit_code == 0, result.output
        assert result.stdout == f"http://{NAME}.localhost:8080\n"
        told = [line for line in result.stderr.splitlines() if line.startswith(NAME)]
        assert told == [f"{NAME} creating", f"{NAME} starting", f"{NAME} ready"]

    def test_a_server_that_restarts_meanwhile_is_waited_for(
        self, eph: Eph, desk: FakeEnvironmentService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """L2: before its first cycle it knows no environment, which doesn't mean that this one is gone."""
        cycles = iter([None, None, desk.last_cycle])

        def pass_time(_: float) -> None:
            desk.last_cycle = next(cycles)

        monkeypatch.setattr("orchestrator.cli.polling.time", SimpleNamespace(monotonic=lambda: 0.0, sleep=pass_time))
        desk.put_environment(sample(42, Phase.CREATING))
        desk.queue_phases(NAME, Phase.CREATING, Phase.CREATING, Phase.READY)
        assert eph("up", NAME, "--wait").exit_code == 0
        assert list(cycles) == []

    def test_up_exits_with_1_if_it_fails_again(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.queue_phases("demo/shop#9", Phase.FAILED, Phase.CREATING, Phase.STALLED)
        result = eph("up", "9", "--wait")
        assert result.exit_code == 1
        assert "is stalled" in result.stderr
        assert "eph logs" in result.stderr

    def test_up_gives_up_if_nothing_changes(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.queue_phases("demo/shop#9", *[Phase.REFUSED] * 50)
        result = eph("up", "9", "--wait")
        assert result.exit_code == 1
        assert "is refused" in result.stderr

    def test_a_failure_from_before_the_request_does_not_end_a_wake(
        self, eph: Eph, desk: FakeEnvironmentService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its phase may become failed a moment later."""
        earlier = FailureView("a" * 40, "Health check web", "It exited with 3.", (), START, 1, None)
        states = iter([replace(sample(42, Phase.FAILED), failure=earlier), sample(42, Phase.STARTING), sample(42)])

        def pass_time(_: float) -> None:
            desk.put_environment(next(states))

        monkeypatch.setattr("orchestrator.cli.polling.time", SimpleNamespace(monotonic=lambda: 0.0, sleep=pass_time))
        desk.put_environment(replace(sample(42, Phase.ASLEEP), failure=earlier))
        assert eph("wake", NAME, "--wait").exit_code == 0

    def test_wake_exits_with_1_if_it_stays_asleep(
        self, eph: Eph, desk: FakeEnvironmentService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asleep = sample(42, Phase.ASLEEP)
        earlier = FailureView("a" * 40, "Health check web", "It exited with 3.", (), START, 1, None)
        failures = iter([earlier, earlier, replace(earlier, at=START + timedelta(minutes=1))])

        def pass_time(_: float) -> None:
            desk.put_environment(replace(asleep, failure=next(failures)))

        clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=pass_time)
        monkeypatch.setattr("orchestrator.cli.polling.time", clock)
        desk.put_environment(replace(asleep, failure=earlier))
        result = eph("wake", NAME, "--wait")
        assert result.exit_code == 1
        assert "It exited with 3." in result.stderr
        assert list(failures) == [], "an earlier failure says nothing about this wake"

    def test_a_deadline(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.queue_phases(NAME, *[Phase.CREATING] * 10_000)
        result = eph("up", NAME, "--wait", "--timeout", "1s")
        assert result.exit_code == 1
        assert "not ready after 1 s" in result.stderr

    def test_down_waits_until_it_is_gone(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.queue_phases(NAME, Phase.READY, Phase.DESTROYING, Phase.DESTROYED)
        result = eph("down", NAME, "--yes", "--wait")
        assert result.exit_code == 0, result.output
        assert result.stdout == f"{NAME} is destroyed\n"
        assert "eph-shop-9ix/pr-42" not in desk.views

    def test_down_reports_what_blocks_it(self, eph: Eph, desk: FakeEnvironmentService) -> None:
        desk.put_environment(replace(sample(42), command="eph approve 4f2a91c0"))
        desk.queue_phases(NAME, Phase.READY, Phase.HELD)
        result = eph("down", NAME, "--yes", "--wait")
        assert result.exit_code == 1
        assert "eph approve 4f2a91c0" in result.stderr


def test_up_of_an_expired_environment_says_how_to_recreate_it(eph: Eph) -> None:
    """L5: expiry removed its label, so there is nothing to retry."""
    done = eph("up", "shop-long-gone-abcd-99")
    assert done.exit_code == ExitCode.NOT_FOUND
    assert "Add the label to the pull request again, or comment `/eph up` there" in done.stderr


def test_down_needs_confirmation_or_a_flag(eph: Eph, desk: FakeEnvironmentService) -> None:
    result = eph("down", NAME, input="y\n")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert desk.calls == []
    assert eph("down", NAME, "--yes").exit_code == 0
    assert desk.calls == [("down", NAME, "admin-name")]


def test_extend_takes_a_duration(eph: Eph, desk: FakeEnvironmentService) -> None:
    assert eph("extend", NAME, "24h").exit_code == 0
    assert desk.environment(NAME).expires_at == START + timedelta(hours=24)
    wrong = eph("extend", NAME, "soon")
    assert wrong.exit_code == 2
    assert "72h" in wrong.stderr


def test_suites_are_in_get_and_their_output_in_logs(eph: Eph, desk: FakeEnvironmentService) -> None:
    """P4"""
    passed = SuiteView("integration", "integration", SuiteState.PASSED, seconds=1.5)
    failed = SuiteView(
        "browser",
        "browser",
        SuiteState.FAILED,
        seconds=9.0,
        detail="exit status 1",
        report=JUnitReport(3, 1, 0, 0, ("a",)),
    )
    desk.put_environment(replace(sample(42), tests=(passed, failed)))
    desk.add_log_lines(NAME, "no tea")
    shown = eph("get", NAME).stdout
    assert "passed in 1.5 s" in shown
    assert "failed in 9.0 s: exit status 1" in shown
    [_, told] = json.loads(eph("get", NAME, "-o", "json").stdout)["tests"]
    assert (told["state"], told["report"]["names"]) == ("failed", ["a"])
    assert eph("logs", NAME, "--suite", "browser").stdout == "no tea\n"
    unknown = eph("logs", NAME, "--suite", "nothing")
    assert unknown.exit_code == 6
    assert "integration, browser" in unknown.stderr
    assert eph("logs", NAME, "--suite", "browser", "--follow").exit_code == 2


def test_keep_turns_off_the_expiry(eph: Eph, desk: FakeEnvironmentService) -> None:  # L5
    assert eph("keep", NAME).stdout == f"{NAME} doesn't expire\n"
    assert desk.environment(NAME).kept
    assert eph("unkeep", NAME).exit_code == 0
    assert not desk.environment(NAME).kept


def test_open_prints_the_url_without_a_browser(eph: Eph) -> None:
    assert eph("open", NAME).stdout == f"http://{NAME}.localhost:8080\n"
    result = eph("open", "9")
    assert result.exit_code == 6
    assert "eph why" in result.stderr


def test_exit_codes_and_hints(eph: Eph, desk: FakeEnvironmentService, monkeypatch: pytest.MonkeyPatch) -> None:
    assert eph("get", NAME, role="nobody").exit_code == 3
    forbidden = eph("down", NAME, "--yes", role="viewer")
    assert forbidden.exit_code == 3
    assert "requires developer" in forbidden.stderr
    missing = eph("get", "shop-gentle-steam-42")
    assert missing.exit_code == 4
    assert f"Did you mean {NAME}" in missing.stderr
    desk.refusal = "It is being destroyed."
    assert eph("up", NAME).exit_code == 6
    assert eph("lisst").exit_code == 2
    assert "list" in eph("lisst").stderr
    assert eph("list", "--phase", "happy").exit_code == 2


def test_version_shows_both_sides(eph: Eph) -> None:
    found = json.loads(eph("version", "-o", "json").stdout)
    assert found["server"] == "0.0.0-fake"
    assert found["client"]


def test_steps_of_a_commit_with_durations_and_output(eph: Eph, desk: FakeEnvironmentService) -> None:
    """P5: what the build did, and how long each step took."""
    assert "no steps yet" in eph("steps", NAME).stderr
    desk.step_events += [
        StepEvent(StepEventKind.STARTED, "Build", 1.0),
        StepEvent(StepEventKind.LINES, "Build", 1.0, ("one", "two")),
        StepEvent(StepEventKind.ENDED, "Build", 2.0, seconds=12.34, ok=True),
        StepEvent(StepEventKind.STARTED, "Migrate main", 2.0),
        StepEvent(StepEventKind.ENDED, "Migrate main", 2.0, seconds=0.5),
    ]
    build, migrate = (run.id for run in steps.runs(desk.step_events, still_running=False))
    rows = [line.split() for line in eph("steps", NAME).stdout.splitlines()]
    assert rows == [["Build", "succeeded", "12.3", "s", build], ["Migrate", "main", "failed", "0.5", "s", migrate]]
    assert eph("steps", NAME, "-n", "1").stdout.splitlines()[1].split() == ["2", "two"]
    link = line_url(f"http://localhost/e/{NAME}", "a" * 12, f"{build}:1")
    for position, numbers in ((f"{build}:1-2", ["1", "2"]), ("Build", ["2"]), (link, ["1"])):
        shown = eph("steps", NAME, "--line", position).stdout.splitlines()
        assert [line.split()[0] for line in shown] == ["Build", *numbers]
    assert [eph("steps", NAME, "--line", wrong).exit_code for wrong in (f"{build}:3", "?")] == [1, 2]
    found = json.loads(eph("steps", NAME, "--commit", "AAAA", "-o", "json").stdout)
    assert [item["state"] for item in found["steps"]] == ["succeeded", "failed"]
    assert json.loads(eph("steps", NAME, "-c", "bbbb", "-o", "json").stdout)["steps"] == []
    desk.add_log_lines(NAME, "listening")
    lines = eph("logs", NAME, "--follow").stdout.splitlines()
    assert (lines[0], lines[-1]) == ("Build | one", "listening")
