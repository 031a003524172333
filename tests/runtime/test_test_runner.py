"""The repository's tests as real processes beside the loop: P4, L2, L6, S2, S4."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.core.model.world import Recipe, RepositoryFacts
from orchestrator.core.suites.junit import JUnitReport
from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteResult
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.facts.suite_history import SuiteHistory
from orchestrator.runtime.observation.forge_reader import ForgeSnapshot
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.suites import suite_process
from orchestrator.runtime.suites.suite_process import SuiteCommand
from orchestrator.runtime.suites.suite_runner import SuiteRunner, SuiteRunnerDependencies
from orchestrator.sources.pull_requests import to_request
from programs.kit import suite_screenshots
from programs.redaction import Redactor
from programs.registry import Target
from programs.screenshots import Screenshots
from programs.spec import CommandSpec, EnvironmentSpec, GitSource, ServiceSpec, SuiteSpec
from stacks import keys, names, process_identity
from tests.pictures import png

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REF = names.stack_ref(keys.pull_request(8, 1), "acme/shop")
A, B = "a" * 40, "b" * 40
TOKEN = "a-preview-token-of-some-length"


class ShellTarget:
    """A target that runs suites without any sandbox, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def suite_command(self, _: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        words = [f"{name}={value}" for name, value in {**suite.env, **env}.items()]
        return ["/usr/bin/env", "-C", str(self.folder), *words, "/bin/sh", "-c", suite.command.run]

    def suite_report(self, _: EnvironmentSpec, suite: SuiteSpec, max_bytes: int) -> bytes | None:
        path = self.folder / suite.junit
        return path.read_bytes()[:max_bytes] if path.exists() else None

    def suite_screenshots(self, _: EnvironmentSpec, suite: SuiteSpec, since: float) -> Screenshots:
        return suite_screenshots.read(self.folder, suite.artifacts, since)


class RunnerSetup:
    def __init__(self, folder: Path) -> None:
        self.records = folder / "operations"
        self.folder = folder
        self.ledger = MemoryLedger()
        self.suites: tuple[SuiteSpec, ...] = ()
        self.phase, self.commit, self.fork, self.leads = Phase.READY, A, False, True
        self.restart()

    def restart(self) -> None:
        """A new life."""
        self.history = SuiteHistory()
        self.woken = asyncio.Event()
        bench = SuiteRunnerDependencies(
            records=self.records,
            history=self.history,
            journal=Journal(self.ledger, lambda: AT),
            clock=lambda: AT,
            wake=self.woken.set,
            token=lambda _: TOKEN,
            is_leader=lambda: self.leads,
            target=lambda _: cast("Target", ShellTarget(self.folder)),
        )
        self.tester = SuiteRunner(bench)

    def cycle_result(self) -> CycleResult:
        key = keys.pull_request(8, 1)
        spec = EnvironmentSpec(
            "shop-1", "shop-1.localhost", "local", "shop", GitSource("x", self.commit, "b"), (ServiceSpec("web", "x"),)
        )
        recipe = Recipe(spec, frozenset({"preview"}), suites=self.suites)
        pull = PullRequest(
            key, PullState.OPEN, "t", frozenset({"preview"}), "ann", self.commit, "b", "main", "u", self.fork
        )
        facts = RepositoryFacts(8, "acme/shop", True, requests={key: to_request("acme/shop", pull, recipe)})
        view = EnvironmentView(
            REF, key, "acme/shop", "shop-1", "shop-1.localhost", self.phase, (), url="http://shop-1.localhost:8080",
            commit=self.commit, wanted_commit=self.commit, ready_at=AT,
        )  # fmt: skip
        return CycleResult(views=(view,), forge=ForgeSnapshot(facts={8: facts}))

    async def run_until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Cycles, each time that something woke the loop."""
        async with asyncio.timeout(seconds):
            while True:
                self.woken.clear()
                self.tester.on_cycle(self.cycle_result())
                if condition():
                    return
                await self.woken.wait()

    @property
    def results(self) -> Mapping[str, SuiteResult]:
        return self.history.results.get(REF, {})

    def event_messages(self, kind: str) -> list[str]:
        return [event.message for event in self.ledger.events(limit=1000) if event.kind == kind]


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[RunnerSetup]:
    made = RunnerSetup(tmp_path)
    yield made
    await made.tester.close()


def suite(name: str, run: str, timeout: int = 20, **more: Any) -> SuiteSpec:
    return SuiteSpec(name, CommandSpec(run, timeout), **more)


async def test_suites_run_once_with_what_they_are_told_and_their_result_is_kept(setup: RunnerSetup) -> None:
    setup.suites = (
        suite(
            "good",
            'echo "$PREVIEW_URL $EPH_SUITE $EPH_COMMIT $TZ $ASKED $PGHOST"',
            env={"TZ": "UTC", "ASKED": "{host}", "PGHOST": "{database.main.host}"},
        ),
        suite("bad", "echo 'postgres://u:secret@h/x'; echo $PREVIEW_TOKEN; exit 3"),
        suite("after", "echo never", needs=("bad",)),
        suite("cannot", "echo 'no browser here'; exit 77", blocking=False),
    )
    await setup.run_until(lambda: len(setup.results) == 4)
    verdicts = {name: (result.outcome, result.detail) for name, result in setup.results.items()}
    assert verdicts == {
        "good": (SuiteOutcome.PASSED, ""),
        "bad": (SuiteOutcome.FAILED, "exit status 3"),
        "after": (SuiteOutcome.SKIPPED, "skipped because bad didn't pass"),
        "cannot": (SuiteOutcome.SKIPPED, "no browser here"),
    }
    assert setup.tester.log_lines(REF, "good", 10) == [f"http://shop-1.localhost:8080 good {A} UTC shop-1.localhost "]
    assert setup.results["bad"].tail == ("postgres://u:***@h/x", "***")
    assert TOKEN not in (setup.records / REF.project / REF.stack / "tests" / "bad.log").read_text()
    began = len(setup.event_messages("tests.started"))
    for _ in range(3):
        setup.tester.on_cycle(setup.cycle_result())
    assert len(setup.event_messages("tests.started")) == began == 3


async def test_a_new_life_reads_the_results_and_runs_nothing_twice(setup: RunnerSetup) -> None:
    """L2. And a person may ask for what failed."""
    setup.suites = (suite("good", "true"), suite("bad", "exit 1"))
    await setup.run_until(lambda: len(setup.results) == 2)
    before = dict(setup.results)
    await setup.tester.close()
    setup.restart()
    await setup.run_until(lambda: len(setup.results) == 2)
    assert dict(setup.results) == before
    assert len(setup.event_messages("tests.started")) == 2
    setup.tester.retry(REF)
    await setup.run_until(lambda: len(setup.results) == 2)
    assert setup.event_messages("tests.started")[2:] == ["bad on commit aaaaaaa"]


async def test_a_report_is_counted_and_a_bad_one_changes_no_verdict(setup: RunnerSetup) -> None:
    case = '<testsuite><testcase name="tea"><failure/></testcase><testcase name="bread"/></testsuite>'
    setup.suites = (
        suite("counted", f"echo '{case}' > junit.xml; exit 1", junit="junit.xml"),
        suite("bomb", "echo '<!DOCTYPE x [<!ENTITY a \"b\">]><x/>' > bomb.xml", junit="bomb.xml"),
        suite("without", "true", junit="nothing.xml"),
    )
    await setup.run_until(lambda: len(setup.results) == 3)
    assert setup.results["counted"].report == JUnitReport(2, 1, 0, 0, ("tea",))
    assert setup.results["bomb"].outcome is SuiteOutcome.PASSED
    assert "document type or an entity" in setup.results["bomb"].detail
    assert (setup.results["without"].outcome, setup.results["without"].report) == (SuiteOutcome.PASSED, None)


async def test_one_that_takes_too_long_is_ended_with_all_that_it_started(setup: RunnerSetup) -> None:
    home = str(setup.folder / "home")
    setup.suites = (suite("slow", "setsid sleep 345 & sleep 345 & echo $! ; wait", timeout=1, env={"HOME": home}),)
    await setup.run_until(lambda: "slow" in setup.results)
    assert setup.results["slow"].detail == "timed out after 1 s"
    assert not is_running(int(setup.results["slow"].tail[0]))
    assert list(process_identity.pids_with_variable("HOME", home)) == []


def is_running(pid: int) -> bool:
    return process_identity.identify(pid) is not None


async def test_a_new_commit_and_a_destroy_end_what_runs(setup: RunnerSetup) -> None:
    setup.suites = (suite("slow", "echo $$; exec sleep 300"),)
    await setup.run_until(lambda: bool(setup.history.running))
    setup.commit = B
    await setup.run_until(lambda: [run.commit for run in setup.history.running] == [B])
    assert setup.event_messages("tests.stopped") == ["slow on commit aaaaaaa"]
    setup.phase = Phase.DESTROYING
    await setup.run_until(lambda: not setup.history.running)
    assert setup.results == {}, "what was interrupted has no result"


async def test_what_is_interrupted_again_and_again_is_given_up(setup: RunnerSetup) -> None:
    setup.suites = (suite("slow", "exec sleep 300"),)
    for _ in range(3):
        setup.phase = Phase.READY
        await setup.run_until(lambda: bool(setup.history.running))
        setup.phase = Phase.UPDATING
        await setup.run_until(lambda: not setup.history.running)
    setup.phase = Phase.READY
    await setup.run_until(lambda: "slow" in setup.results)
    assert "interrupted 3 times" in setup.results["slow"].detail


async def test_a_fork_gets_no_token_and_a_follower_starts_nothing(setup: RunnerSetup) -> None:  # S2, S4, O2
    setup.fork, setup.leads = True, False
    setup.suites = (suite("curious", 'echo "token: $PREVIEW_TOKEN."'), suite("shy", "true", token=False))
    setup.tester.on_cycle(setup.cycle_result())
    await asyncio.sleep(0)
    assert not setup.history.running
    setup.leads = True
    await setup.run_until(lambda: len(setup.results) == 2)
    assert setup.tester.log_lines(REF, "curious", 1) == ["token: ."]


async def test_output_without_end_and_without_lines_is_bounded(setup: RunnerSetup) -> None:
    setup.suites = (suite("loud", "head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end"),)
    await setup.run_until(lambda: "loud" in setup.results, 60)
    log = setup.records / REF.project / REF.stack / "tests" / "loud.log"
    assert log.stat().st_size <= suite_process.LOG_BYTES + suite_process.MAX_LINE + 1
    assert setup.results["loud"].outcome is SuiteOutcome.PASSED


def test_what_a_killed_life_left_running_is_ended_at_the_next_start(tmp_path: Path) -> None:
    """L2: by its recorded identity, and nobody else's process."""
    folder = tmp_path / "operations" / REF.project / REF.stack / "tests"
    what = SuiteCommand(("/bin/sh", "-c", "sleep 300 & sleep 300"), "slow", "0" * 32, folder, 300)
    code = f"""
import asyncio, pathlib
from orchestrator.runtime.suites.suite_process import SuiteCommand, run
asyncio.run(run(SuiteCommand({what.argv!r}, "slow", {what.run_id!r}, pathlib.Path({str(folder)!r}), 300)))
"""
    life = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    record = folder / "slow.running.json"
    while not record.exists():
        assert life.poll() is None
    pid = json.loads(record.read_text())["identity"]["pid"]
    life.send_signal(signal.SIGKILL)
    life.wait()
    assert is_running(pid)
    (folder / "cut.running.json").write_text("{")
    assert suite_process.recover(tmp_path / "operations") == ["slow"]
    assert not is_running(pid)
    assert list(folder.glob("*.running.json")) == []


def test_a_number_that_is_another_processes_by_now_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "tests"
    folder.mkdir(parents=True)
    identity = {"pid": os.getpid(), "started": 1, "boot": "another"}
    (folder / "slow.running.json").write_text(json.dumps({"mark": "f" * 32, "identity": identity}))
    assert suite_process.recover(tmp_path) == []


def test_nothing_that_was_trusted_is_left_in_a_line() -> None:
    line = f"GET http://x?token={TOKEN} as https://bob:pw@host/"
    assert suite_process.redact_line(line, Redactor((TOKEN,))) == "GET http://x?token=*** as https://bob:***@host/"


async def test_screenshots_of_each_run_are_kept(setup: RunnerSetup) -> None:
    (setup.folder / "picture").write_bytes(png())
    command = CommandSpec('mkdir -p shots; cp picture "shots/${EPH_COMMIT}.png"; exit 1')
    setup.suites = (SuiteSpec("browser", command, artifacts="shots"),)
    await setup.run_until(lambda: "browser" in setup.results)
    assert setup.results["browser"].screenshots == 1
    kept = setup.tester.screenshots(REF, "browser", A)
    assert [item.name for item in kept.files] == [f"{A}.png"]
    found = setup.tester.screenshot(REF, "browser", kept.files[0].file)
    assert found is not None
    assert (found.media_type, found.data) == ("image/png", png())
    setup.restart()
    await setup.run_until(lambda: "browser" in setup.results)
    assert setup.results["browser"].screenshots == 1, "the event log has the number"


async def test_a_result_does_not_depend_on_its_screenshots(setup: RunnerSetup) -> None:
    setup.suites = (SuiteSpec("browser", CommandSpec("exit 0"), artifacts="nothing/here"),)
    (setup.records / REF.project / REF.stack).mkdir(parents=True)
    await setup.run_until(lambda: "browser" in setup.results)
    result = setup.results["browser"]
    assert (result.outcome, result.screenshots) == (SuiteOutcome.PASSED, 0)
