"""Runs the repositories' tests against ready environments (P4): after each cycle, it starts and stops suites as
``core.suites`` decides, and stores results.

Nothing waits for suites: they are processes that run in parallel to operations, a few at a time. Results are in the
event log; a suite without a readable result runs again. An interrupted suite has no result and is restarted, a limited
number of times.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from orchestrator.core.model.world import EnvironmentRequest, Recipe, Trust
from orchestrator.core.suites import junit, suite_plan
from orchestrator.core.suites.junit import InvalidReport, JUnitReport
from orchestrator.core.suites.suite_plan import SuiteEnvironment
from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteResult, SuiteRun
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.runtime import wording
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import CycleResult
from orchestrator.runtime.facts.suite_history import SuiteHistory
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.suites import screenshot_files, suite_events, suite_process
from orchestrator.runtime.suites.screenshot_files import ScreenshotContent, SuiteScreenshots
from orchestrator.runtime.suites.suite_process import SuiteCommand, SuiteExit
from programs import registry, variables
from programs.redaction import Redactor
from programs.registry import KeepsScreenshots, RunsTests, Target
from programs.spec import EnvironmentSpec, SuiteSpec
from stacks.model import StackRef

log = logging.getLogger("eph.testing")


@dataclass(slots=True)
class SuiteRunnerDependencies:
    """What the runner uses. ``token`` returns the preview token, if previews require sign-in; ``is_leader``: whether
    this replica may start anything; ``wake`` makes the loop publish changes."""

    records: Path
    history: SuiteHistory
    journal: Journal
    clock: Clock
    wake: Callable[[], None]
    token: Callable[[EnvironmentSpec], str]
    slots: int = 2
    is_leader: Callable[[], bool] = lambda: True
    target: Callable[[str], Target] = registry.get
    secrets: Callable[[], tuple[str, ...]] = tuple
    """Secrets that no output may contain: suites don't get them, but an environment could leak them."""


@dataclass(frozen=True, slots=True)
class _ReadyEnvironment:
    """The input of a run, for each environment."""

    spec: EnvironmentSpec
    url: str
    urls: Mapping[str, str]
    fork: bool
    suites: Mapping[str, SuiteSpec]


class SuiteRunner:
    """Called by the loop after each cycle. All methods except ``recover`` are for the loop's thread."""

    def __init__(self, dependencies: SuiteRunnerDependencies) -> None:
        self._dependencies = dependencies
        self._tasks: dict[SuiteRun, asyncio.Task[None]] = {}
        self._closed = False

    def on_cycle(self, cycle: CycleResult) -> None:
        """Called after each cycle. Only starts and stops suites; anything slow runs in a separate task."""
        if self._closed:
            return
        found = {view.ref: pair for view in cycle.views if (pair := _ready(view, cycle)) is not None}
        places = [place for place, _ in found.values()]
        self._load_results([place for place in places if place.is_testable])
        history = self._dependencies.history
        known = [place for place in places if place.ref in history.loaded] if self._dependencies.is_leader() else []
        slots = 0 if cycle.is_paused else self._dependencies.slots
        decision = suite_plan.decide(known, history.runs(), slots)
        for run in decision.stop:
            self._stop(run)
        for run, why in decision.skip.items():
            self._record(
                run.ref,
                SuiteResult(run.suite, run.commit, SuiteOutcome.SKIPPED, self._dependencies.clock(), detail=why),
            )
        for run in decision.start:
            self._start(run, found[run.ref][1])
        if decision.skip:
            self._dependencies.wake()

    @property
    def running_count(self) -> int:
        return len(self._dependencies.history.running)

    def retry(self, ref: StackRef) -> None:
        """Rerun failed and skipped suites, at a person's request."""
        self._dependencies.history.reset(ref)

    def log_lines(self, ref: StackRef, suite: str, limit: int) -> list[str]:
        """Blocking: the last lines of a suite's last run."""
        path = suite_process.log_path(self._folder(ref), suite)
        try:
            return path.read_text(errors="replace").splitlines()[-limit:]
        except FileNotFoundError:
            return []

    def screenshots(self, ref: StackRef, suite: str, commit: str) -> SuiteScreenshots:
        """Blocking: those of a suite's last run, if it was on that commit."""
        return screenshot_files.load(self._folder(ref), suite, commit)

    def screenshot(self, ref: StackRef, suite: str, file: str) -> ScreenshotContent | None:
        """Blocking."""
        return screenshot_files.read(self._folder(ref), suite, file)

    def recover(self) -> list[str]:
        """Blocking: kill what an earlier process left running."""
        return suite_process.recover(self._dependencies.records)

    async def close(self) -> None:
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what is known

    def _load_results(self, environments: Iterable[SuiteEnvironment]) -> None:
        """The event log is read once per environment; until then, no suite starts."""
        for place in environments:
            asking = SuiteRun(place.ref, "", "")
            if place.suites and place.ref not in self._dependencies.history.loaded and asking not in self._tasks:
                self._start_task(asking, self._load_result_of(place.ref))

    async def _load_result_of(self, ref: StackRef) -> None:
        found = await asyncio.to_thread(suite_events.load_results, self._dependencies.journal.ledger, ref)
        self._dependencies.history.load(ref, found)

    def _record(self, ref: StackRef, result: SuiteResult) -> None:
        self._dependencies.history.record(ref, result)
        suite_events.record_result(self._dependencies.journal, ref, result)

    # --- one run

    def _start(self, run: SuiteRun, ready: _ReadyEnvironment) -> None:
        history = self._dependencies.history
        history.attempts[run] += 1
        if history.attempts[run] > suite_plan.MAX_ATTEMPTS:
            why = wording.suites.interrupted(suite_plan.MAX_ATTEMPTS)
            self._record(
                run.ref, SuiteResult(run.suite, run.commit, SuiteOutcome.FAILED, self._dependencies.clock(), detail=why)
            )
            self._dependencies.wake()
            return
        history.running[run] = self._dependencies.clock()
        suite_events.record_started(self._dependencies.journal, run)
        self._start_task(run, self._run(run, ready))
        self._dependencies.wake()

    def _stop(self, run: SuiteRun) -> None:
        task = self._tasks.get(run)
        if task is not None:
            task.cancel()

    def _start_task(self, run: SuiteRun, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"{run.ref} {run.suite}")
        self._tasks[run] = task
        task.add_done_callback(partial(self._on_done, run))

    def _on_done(self, run: SuiteRun, task: asyncio.Task[None]) -> None:
        self._tasks.pop(run, None)
        self._dependencies.history.running.pop(run, None)
        if task.cancelled():
            if run.suite:
                suite_events.record_stopped(self._dependencies.journal, run)
        elif (error := task.exception()) is not None:
            log.error("the tests of %s failed to run", run.ref, exc_info=error)
            self._dependencies.journal.record_problem(wording.suites.tests_failed_to_run(run.ref, error))
        if not self._closed:
            self._dependencies.wake()

    async def _run(self, run: SuiteRun, ready: _ReadyEnvironment) -> None:
        suite, since = ready.suites[run.suite], self._dependencies.clock()
        try:
            ended, report, note = await self._run_process(run, ready, suite)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from running is its result
            ended, report, note = SuiteExit(1, 0.0, ()), None, wording.suites.not_run(error)
        result = _result(run, ended, report, note or _detail(ended, suite), self._dependencies.clock)
        kept = await asyncio.to_thread(self._keep_screenshots, run, ready, suite, since.timestamp())
        self._record(run.ref, replace(result, screenshots=kept))

    def _keep_screenshots(self, run: SuiteRun, ready: _ReadyEnvironment, suite: SuiteSpec, since: float) -> int:
        """Blocking. How many. Whatever keeps them from being read doesn't change the suite's result."""
        target = self._dependencies.target(ready.spec.target)
        if not isinstance(target, KeepsScreenshots) or not suite.artifacts:
            return 0
        try:
            found = target.suite_screenshots(ready.spec, suite, since)
            screenshot_files.save(self._folder(run.ref), run.suite, run.commit, found, ready.suites)
        except Exception:
            log.exception("the screenshots of %s %s can't be kept", run.ref, run.suite)
            return 0
        return len(found.files)

    async def _run_process(
        self, run: SuiteRun, ready: _ReadyEnvironment, suite: SuiteSpec
    ) -> tuple[SuiteExit, JUnitReport | None, str]:
        target = self._dependencies.target(ready.spec.target)
        if not isinstance(target, RunsTests):
            raise TypeError(f"the target {ready.spec.target} does not support tests")
        mark = uuid.uuid4().hex
        token = self._dependencies.token(ready.spec) if suite.token and not ready.fork else ""
        env = {
            **_environment_variables(ready, suite),
            suite_process.RUN_ID: mark,
            **({"PREVIEW_TOKEN": token} if token else {}),
        }
        argv = await asyncio.to_thread(target.suite_command, ready.spec, suite, env)
        hidden = (token, *self._dependencies.secrets())
        what = SuiteCommand(argv, run.suite, mark, self._folder(run.ref), suite.command.timeout, hidden)
        ended = await suite_process.run(what)
        if not suite.junit:
            return ended, None, ""
        data = await asyncio.to_thread(target.suite_report, ready.spec, suite, junit.MAX_BYTES)
        try:
            return ended, junit.parse(_redacted(data, hidden)) if data is not None else None, ""
        except InvalidReport as error:
            return ended, None, wording.suites.report_unreadable(suite.junit, error, _detail(ended, suite))

    def _folder(self, ref: StackRef) -> Path:
        return self._dependencies.records / ref.project / ref.stack / "tests"


def _redacted(report: bytes, secrets: tuple[str, ...]) -> bytes:
    """Non-text bytes are passed through."""
    return Redactor(secrets)(report.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _ready(view: EnvironmentView, cycle: CycleResult) -> tuple[SuiteEnvironment, _ReadyEnvironment] | None:
    candidate = _request(view, cycle)
    recipe = candidate.recipe if candidate else None
    if candidate is None or not isinstance(recipe, Recipe) or not recipe.suites:
        return None
    place = SuiteEnvironment(view.ref, view.phase, view.commit, view.wanted_commit, recipe.suites, view.ready_at)
    values = variables.address_values(view.url, view.urls, {})
    spec = replace(recipe.spec, name=view.name, host=view.host, env=_filled(recipe.spec.env, values))
    suites = {suite.name: replace(suite, env=_filled(suite.env, values)) for suite in recipe.suites}
    return place, _ReadyEnvironment(spec, view.url, view.urls, candidate.trust is Trust.FORK, suites)


def _filled(env: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Suites test the environment from outside, so they don't get its databases' addresses."""
    return variables.without_databases(variables.fill(env, values))


def _request(view: EnvironmentView, cycle: CycleResult) -> EnvironmentRequest | None:
    facts = cycle.forge.facts.get(view.key.repository) if view.key else None
    return facts.requests.get(view.key) if facts and view.key else None


def _environment_variables(ready: _ReadyEnvironment, suite: SuiteSpec) -> dict[str, str]:
    """Eph's variables take precedence over the repository's."""
    return {
        **variables.public_variables(ready.urls),
        "PREVIEW_URL": ready.url,
        "EPH_ENVIRONMENT": ready.spec.name,
        "EPH_COMMIT": ready.spec.source.commit,
        "EPH_SUITE": suite.name,
    }


def _result(run: SuiteRun, ended: SuiteExit, report: JUnitReport | None, detail: str, clock: Clock) -> SuiteResult:
    verdict = {0: SuiteOutcome.PASSED, suite_process.SKIPPED_EXIT_CODE: SuiteOutcome.SKIPPED}.get(
        1 if ended.code is None else ended.code
    )
    tail = ended.tail if verdict is not SuiteOutcome.PASSED else ()
    return SuiteResult(
        run.suite, run.commit, verdict or SuiteOutcome.FAILED, clock(), round(ended.seconds, 1), detail, tail, report
    )


def _detail(ended: SuiteExit, suite: SuiteSpec) -> str:
    if ended.code is None:
        return wording.suites.timed_out(suite.command.timeout)
    if ended.code == suite_process.SKIPPED_EXIT_CODE:
        said = [line.strip() for line in ended.tail if line.strip()]
        return said[-1][:200] if said else wording.suites.CANNOT_RUN
    if ended.code:
        return wording.suites.exit_status(ended.code)
    return ""
