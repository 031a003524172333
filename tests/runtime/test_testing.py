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
from typing import cast

import pytest

from orchestrator.core.junit import Report
from orchestrator.core.model import Candidate, Key, PullRequest, PullState, Recipe, RepositoryFacts
from orchestrator.core.phases import Phase
from orchestrator.core.trials import Result, Verdict
from orchestrator.core.views import EnvironmentView
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime import trial
from orchestrator.runtime.forge_facts import ForgeFacts
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Shown
from orchestrator.runtime.memory import Memory
from orchestrator.runtime.testing import Bench, SuiteRunner
from orchestrator.runtime.trial import Started
from programs.concealing import Veil
from programs.registry import Target
from programs.spec import Command, EnvironmentSpec, ServiceSpec, Source, SuiteSpec
from stacks import names, processes
from stacks.places import Places

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REF = names.stack_ref(8, "acme/shop", 1)
A, B = "a" * 40, "b" * 40
TOKEN = "a-preview-token-of-some-length"


class Shells:
    """A target that runs suites without any sandbox, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def suite(self, _: EnvironmentSpec, suite: SuiteSpec, env: Mapping[str, str]) -> list[str]:
        words = [f"{name}={value}" for name, value in {**suite.env, **env}.items()]
        return ["/usr/bin/env", "-C", str(self.folder), *words, "/bin/sh", "-c", suite.command.run]

    def report(self, _: EnvironmentSpec, suite: SuiteSpec, most: int) -> bytes | None:
        path = self.folder / suite.junit
        return path.read_bytes()[:most] if path.exists() else None


class Scene:
    def __init__(self, folder: Path) -> None:
        self.places = Places(*(folder / name for name in ("backend", "work", "operations", "pulumi", "passphrase")))
        self.places.prepare()
        self.folder = folder
        self.ledger = MemoryLedger()
        self.suites: tuple[SuiteSpec, ...] = ()
        self.phase, self.commit, self.fork, self.leads = Phase.READY, A, False, True
        self.begin()

    def begin(self) -> None:
        """A new life."""
        self.memory = Memory()
        self.woken = asyncio.Event()
        bench = Bench(
            places=self.places,
            memory=self.memory,
            journal=Journal(self.ledger, lambda: AT),
            clock=lambda: AT,
            woken=self.woken.set,
            token=lambda _: TOKEN,
            leads=lambda: self.leads,
            target=lambda _: cast("Target", Shells(self.folder)),
        )
        self.tester = SuiteRunner(bench)

    def shown(self) -> Shown:
        key = Key(8, 1)
        spec = EnvironmentSpec(
            "shop-1", "shop-1.localhost", "local", "shop", Source("x", self.commit, "b"), (ServiceSpec("web", "x"),)
        )
        recipe = Recipe(spec, frozenset({"preview"}), suites=self.suites)
        pull = PullRequest(
            key, PullState.OPEN, "t", frozenset({"preview"}), "ann", self.commit, "b", "main", "u", self.fork
        )
        facts = RepositoryFacts(8, "acme/shop", True, candidates={1: Candidate(pull, recipe)})
        view = EnvironmentView(
            REF, key, "acme/shop", "shop-1", "shop-1.localhost", self.phase, (), url="http://shop-1.localhost:8080",
            commit=self.commit, wanted_commit=self.commit, ready_at=AT,
        )  # fmt: skip
        return Shown(views=(view,), forge=ForgeFacts(facts={8: facts}))

    async def live(self, until: Callable[[], bool], seconds: float = 20) -> None:
        """Cycles, each time that something woke the loop."""
        async with asyncio.timeout(seconds):
            while True:
                self.woken.clear()
                self.tester.show(self.shown())
                if until():
                    return
                await self.woken.wait()

    @property
    def results(self) -> Mapping[str, Result]:
        return self.memory.tested.get(REF, {})

    def said(self, kind: str) -> list[str]:
        return [event.message for event in self.ledger.events(limit=1000) if event.kind == kind]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path)
    yield made
    await made.tester.close()


def suite(name: str, run: str, **more: object) -> SuiteSpec:
    timeout = more.pop("timeout", 20)
    return SuiteSpec(name, Command(run, cast("int", timeout)), **more)


async def test_suites_run_once_with_what_they_are_told_and_their_result_is_kept(scene: Scene) -> None:
    scene.suites = (
        suite("good", 'echo "$PREVIEW_URL $EPH_SUITE $EPH_COMMIT $TZ"', env={"TZ": "UTC"}),
        suite("bad", "echo 'postgres://u:secret@h/x'; echo $PREVIEW_TOKEN; exit 3"),
        suite("after", "echo never", needs=("bad",)),
        suite("cannot", "echo 'no browser here'; exit 77", blocking=False),
    )
    await scene.live(lambda: len(scene.results) == 4)
    verdicts = {name: (result.verdict, result.detail) for name, result in scene.results.items()}
    assert verdicts == {
        "good": (Verdict.PASSED, ""),
        "bad": (Verdict.FAILED, "exit status 3"),
        "after": (Verdict.SKIPPED, "not run, because bad did not pass"),
        "cannot": (Verdict.SKIPPED, "no browser here"),
    }
    assert scene.tester.lines(REF, "good", 10) == [f"http://shop-1.localhost:8080 good {A} UTC"]
    assert scene.results["bad"].tail == ("postgres://u:***@h/x", "***")
    assert TOKEN not in (scene.places.logs(REF) / "tests" / "bad.log").read_text()
    began = len(scene.said("tests.started"))
    for _ in range(3):
        scene.tester.show(scene.shown())
    assert len(scene.said("tests.started")) == began == 3


async def test_a_new_life_reads_the_results_and_runs_nothing_twice(scene: Scene) -> None:
    """L2. And a person may ask for what failed."""
    scene.suites = (suite("good", "true"), suite("bad", "exit 1"))
    await scene.live(lambda: len(scene.results) == 2)
    before = dict(scene.results)
    await scene.tester.close()
    scene.begin()
    await scene.live(lambda: len(scene.results) == 2)
    assert dict(scene.results) == before
    assert len(scene.said("tests.started")) == 2
    scene.tester.again(REF)
    await scene.live(lambda: len(scene.results) == 2)
    assert scene.said("tests.started")[2:] == ["bad on commit aaaaaaa"]


async def test_a_report_is_counted_and_a_bad_one_changes_no_verdict(scene: Scene) -> None:
    case = '<testsuite><testcase name="tea"><failure/></testcase><testcase name="bread"/></testsuite>'
    scene.suites = (
        suite("counted", f"echo '{case}' > junit.xml; exit 1", junit="junit.xml"),
        suite("bomb", "echo '<!DOCTYPE x [<!ENTITY a \"b\">]><x/>' > bomb.xml", junit="bomb.xml"),
        suite("without", "true", junit="nothing.xml"),
    )
    await scene.live(lambda: len(scene.results) == 3)
    assert scene.results["counted"].report == Report(2, 1, 0, 0, ("tea",))
    assert scene.results["bomb"].verdict is Verdict.PASSED
    assert "document type or an entity" in scene.results["bomb"].detail
    assert (scene.results["without"].verdict, scene.results["without"].report) == (Verdict.PASSED, None)


async def test_one_that_takes_too_long_is_ended_with_all_that_it_started(scene: Scene) -> None:
    home = str(scene.folder / "home")
    scene.suites = (suite("slow", "setsid sleep 345 & sleep 345 & echo $! ; wait", timeout=1, env={"HOME": home}),)
    await scene.live(lambda: "slow" in scene.results)
    assert scene.results["slow"].detail == "took longer than its limit of 1 s"
    assert not is_there(int(scene.results["slow"].tail[0]))
    assert list(processes.marked("HOME", home)) == []


def is_there(pid: int) -> bool:
    return processes.identify(pid) is not None


async def test_a_new_commit_and_a_destroy_end_what_runs(scene: Scene) -> None:
    scene.suites = (suite("slow", "echo $$; exec sleep 300"),)
    await scene.live(lambda: bool(scene.memory.testing))
    scene.commit = B
    await scene.live(lambda: [run.commit for run in scene.memory.testing] == [B])
    assert scene.said("tests.stopped") == ["slow on commit aaaaaaa"]
    scene.phase = Phase.DESTROYING
    await scene.live(lambda: not scene.memory.testing)
    assert scene.results == {}, "what was interrupted has no result"


async def test_what_is_interrupted_again_and_again_is_given_up(scene: Scene) -> None:
    scene.suites = (suite("slow", "exec sleep 300"),)
    for _ in range(3):
        scene.phase = Phase.READY
        await scene.live(lambda: bool(scene.memory.testing))
        scene.phase = Phase.UPDATING
        await scene.live(lambda: not scene.memory.testing)
    scene.phase = Phase.READY
    await scene.live(lambda: "slow" in scene.results)
    assert "interrupted 3 times" in scene.results["slow"].detail


async def test_a_fork_gets_no_token_and_a_follower_starts_nothing(scene: Scene) -> None:  # S2, S4, O2
    scene.fork, scene.leads = True, False
    scene.suites = (suite("curious", 'echo "token: $PREVIEW_TOKEN."'), suite("shy", "true", token=False))
    scene.tester.show(scene.shown())
    await asyncio.sleep(0)
    assert not scene.memory.testing
    scene.leads = True
    await scene.live(lambda: len(scene.results) == 2)
    assert scene.tester.lines(REF, "curious", 1) == ["token: ."]


async def test_output_without_end_and_without_lines_is_bounded(scene: Scene) -> None:
    scene.suites = (suite("loud", "head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end"),)
    await scene.live(lambda: "loud" in scene.results, 60)
    log = scene.places.logs(REF) / "tests" / "loud.log"
    assert log.stat().st_size <= trial.LOG_BYTES + trial.LONGEST_LINE + 1
    assert scene.results["loud"].verdict is Verdict.PASSED


def test_what_a_killed_life_left_running_is_ended_at_the_next_start(tmp_path: Path) -> None:
    """L2: by its recorded identity, and nobody else's process."""
    folder = tmp_path / "operations" / REF.project / REF.stack / "tests"
    what = Started(("/bin/sh", "-c", "sleep 300 & sleep 300"), "slow", "0" * 32, folder, 300)
    code = f"""
import asyncio, pathlib
from orchestrator.runtime.trial import Started, run
asyncio.run(run(Started({what.argv!r}, "slow", {what.mark!r}, pathlib.Path({str(folder)!r}), 300)))
"""
    life = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    record = folder / "slow.running.json"
    while not record.exists():
        assert life.poll() is None
    pid = json.loads(record.read_text())["identity"]["pid"]
    life.send_signal(signal.SIGKILL)
    life.wait()
    assert is_there(pid)
    (folder / "cut.running.json").write_text("{")
    assert trial.recover(tmp_path / "operations") == ["slow"]
    assert not is_there(pid)
    assert list(folder.glob("*.running.json")) == []


def test_a_number_that_is_another_processes_by_now_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "tests"
    folder.mkdir(parents=True)
    identity = {"pid": os.getpid(), "started": 1, "boot": "another"}
    (folder / "slow.running.json").write_text(json.dumps({"mark": "f" * 32, "identity": identity}))
    assert trial.recover(tmp_path) == []


def test_nothing_that_was_trusted_is_left_in_a_line() -> None:
    line = f"GET http://x?token={TOKEN} as https://bob:pw@host/"
    assert trial.scrub(line, Veil((TOKEN,))) == "GET http://x?token=*** as https://bob:***@host/"
