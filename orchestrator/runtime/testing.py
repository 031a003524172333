"""Runs the repositories' tests against ready environments (P4): starts and ends what ``core.suites`` decides after each
cycle, and keeps what came of it.

Nothing waits for it: suites are processes beside the operations, a few at a time. Results lie in the event log; one
that cannot be read back is run again. What an interruption ended has no result and is begun again, a few times.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from orchestrator.core import junit, suites
from orchestrator.core.junit import BadReport, Report
from orchestrator.core.model import Candidate, Recipe
from orchestrator.core.suites import Place
from orchestrator.core.trials import Result, Run, Verdict
from orchestrator.core.views import EnvironmentView
from orchestrator.runtime import trial, verdicts
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Shown
from orchestrator.runtime.memory import Memory
from orchestrator.runtime.trial import Ended, Started
from programs import registry
from programs.concealing import Veil
from programs.registry import Target, Tests
from programs.spec import EnvironmentSpec, SuiteSpec
from stacks.model import StackRef
from stacks.places import Places

log = logging.getLogger("eph.testing")


@dataclass(slots=True)
class Bench:
    """What it works with. ``token`` gives the preview token where people sign in; ``leads``: whether this replica may
    start anything; ``woken`` makes the loop show what changed."""

    places: Places
    memory: Memory
    journal: Journal
    clock: Clock
    woken: Callable[[], None]
    token: Callable[[EnvironmentSpec], str]
    slots: int = 2
    leads: Callable[[], bool] = lambda: True
    target: Callable[[str], Target] = registry.get
    hidden: Callable[[], tuple[str, ...]] = tuple
    """What no output may show: a suite is given none of it, and an environment may tell."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a run needs to know, by its environment."""

    spec: EnvironmentSpec
    url: str
    fork: bool
    suites: Mapping[str, SuiteSpec]


class SuiteRunner:
    """An audience of the loop. Everything but ``recover`` is for the loop's thread."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._tasks: dict[Run, asyncio.Task[None]] = {}
        self._known: set[StackRef] = set()
        self._begun: Counter[Run] = Counter()
        self._closed = False

    def begin(self) -> None:
        """A term of leading begins: results are read anew, as another replica may have led meanwhile."""
        self._known.clear()
        self._begun.clear()
        self._bench.memory.tested.clear()

    def show(self, shown: Shown) -> None:
        """After each cycle. Only starts and ends; what takes time has a task of its own."""
        if self._closed:
            return
        found = {view.ref: pair for view in shown.views if (pair := _ready(view, shown)) is not None}
        places = [place for place, _ in found.values()]
        self._forget({view.ref for view in shown.views})
        self._learn([place for place in places if place.testable])
        trials = self._bench.memory.trials()
        known = [place for place in places if place.ref in self._known] if self._bench.leads() else []
        decision = suites.decide(known, trials, self._bench.slots)
        for run in decision.stop:
            self._stop(run)
        for run, why in decision.skip.items():
            self._keep(run.ref, Result(run.suite, run.commit, Verdict.SKIPPED, self._bench.clock(), detail=why))
        for run in decision.start:
            self._start(run, found[run.ref][1])
        if decision.skip:
            self._bench.woken()

    def again(self, ref: StackRef) -> None:
        """A person asked to try again: what failed or was skipped is forgotten."""
        results = self._bench.memory.tested.get(ref, {})
        self._bench.memory.tested[ref] = {
            name: result for name, result in results.items() if result.verdict is Verdict.PASSED
        }
        for run in [run for run in self._begun if run.ref == ref]:
            del self._begun[run]

    def lines(self, ref: StackRef, suite: str, most: int) -> list[str]:
        """Blocking: the last lines of a suite's last run."""
        path = trial.log_file(self._folder(ref), suite)
        try:
            return path.read_text(errors="replace").splitlines()[-most:]
        except FileNotFoundError:
            return []

    def recover(self) -> list[str]:
        """Blocking: ends what an earlier life left running."""
        return trial.recover(self._bench.places.operations)

    async def close(self) -> None:
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what is known

    def _learn(self, places: Iterable[Place]) -> None:
        """The event log is asked once for each environment; meanwhile nothing of it begins."""
        for place in places:
            asking = Run(place.ref, "", "")
            if place.suites and place.ref not in self._known and asking not in self._tasks:
                self._task(asking, self._recall(place.ref))

    async def _recall(self, ref: StackRef) -> None:
        found = await asyncio.to_thread(verdicts.recall, self._bench.journal.ledger, ref)
        self._bench.memory.tested[ref] = {**found, **self._bench.memory.tested.get(ref, {})}
        self._known.add(ref)

    def _forget(self, there: set[StackRef]) -> None:
        self._known &= there
        for ref in self._bench.memory.tested.keys() - there:
            del self._bench.memory.tested[ref]
        for run in [run for run in self._begun if run.ref not in there]:
            del self._begun[run]

    def _keep(self, ref: StackRef, result: Result) -> None:
        self._bench.memory.tested.setdefault(ref, {})[result.suite] = result
        verdicts.tell(self._bench.journal, ref, result)

    # --- one run

    def _start(self, run: Run, ready: _Ready) -> None:
        self._begun[run] += 1
        if self._begun[run] > suites.TRIES:
            why = f"it was interrupted {suites.TRIES} times; `eph up` begins it again"
            self._keep(run.ref, Result(run.suite, run.commit, Verdict.FAILED, self._bench.clock(), detail=why))
            self._bench.woken()
            return
        self._bench.memory.testing[run] = self._bench.clock()
        verdicts.began(self._bench.journal, run)
        self._task(run, self._run(run, ready))
        self._bench.woken()

    def _stop(self, run: Run) -> None:
        task = self._tasks.get(run)
        if task is not None:
            task.cancel()

    def _task(self, run: Run, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"{run.ref} {run.suite}")
        self._tasks[run] = task
        task.add_done_callback(partial(self._done, run))

    def _done(self, run: Run, task: asyncio.Task[None]) -> None:
        self._tasks.pop(run, None)
        self._bench.memory.testing.pop(run, None)
        if task.cancelled():
            if run.suite:
                verdicts.stopped(self._bench.journal, run)
        elif (error := task.exception()) is not None:
            log.error("tests of %s broke", run.ref, exc_info=error)
            self._bench.journal.trouble(f"the tests of {run.ref} broke: {type(error).__name__}: {error}")
        if not self._closed:
            self._bench.woken()

    async def _run(self, run: Run, ready: _Ready) -> None:
        suite = ready.suites[run.suite]
        try:
            ended, report, note = await self._ended(run, ready, suite)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from running is its result
            ended, report, note = Ended(1, 0.0, ()), None, f"it could not be run: {str(error).splitlines()[0][:300]}"
        self._keep(run.ref, _result(run, ended, report, note or _detail(ended, suite), self._bench.clock))

    async def _ended(self, run: Run, ready: _Ready, suite: SuiteSpec) -> tuple[Ended, Report | None, str]:
        target = self._bench.target(ready.spec.target)
        if not isinstance(target, Tests):
            raise TypeError(f"the target {ready.spec.target} runs no tests")
        mark = uuid.uuid4().hex
        token = self._bench.token(ready.spec) if suite.token and not ready.fork else ""
        env = {**_environment(ready, suite), trial.MARK: mark, **({"PREVIEW_TOKEN": token} if token else {})}
        argv = await asyncio.to_thread(target.suite, ready.spec, suite, env)
        hidden = (token, *self._bench.hidden())
        what = Started(argv, run.suite, mark, self._folder(run.ref), suite.command.timeout, hidden)
        ended = await trial.run(what)
        if not suite.junit:
            return ended, None, ""
        data = await asyncio.to_thread(target.report, ready.spec, suite, junit.MOST_BYTES)
        try:
            return ended, junit.parse(_veiled(data, hidden)) if data is not None else None, ""
        except BadReport as error:
            detail = _detail(ended, suite)
            said = f"its report {suite.junit} cannot be read: {error}"
            return ended, None, f"{detail}; {said}" if detail else said

    def _folder(self, ref: StackRef) -> Path:
        return self._bench.places.logs(ref) / "tests"


def _veiled(report: bytes, hidden: tuple[str, ...]) -> bytes:
    """Bytes that are no text go through as they are."""
    return Veil(hidden)(report.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _ready(view: EnvironmentView, shown: Shown) -> tuple[Place, _Ready] | None:
    candidate = _candidate(view, shown)
    recipe = candidate.recipe if candidate else None
    if candidate is None or not isinstance(recipe, Recipe) or not recipe.suites:
        return None
    place = Place(view.ref, view.phase, view.commit, view.wanted_commit, recipe.suites, view.ready_at)
    spec = replace(recipe.spec, name=view.name, host=view.host)
    return place, _Ready(spec, view.url, candidate.pull.from_fork, {suite.name: suite for suite in recipe.suites})


def _candidate(view: EnvironmentView, shown: Shown) -> Candidate | None:
    facts = shown.forge.facts.get(view.key.repository) if view.key else None
    return facts.candidates.get(view.key.number) if facts and view.key else None


def _environment(ready: _Ready, suite: SuiteSpec) -> dict[str, str]:
    """What Eph says counts more than what the repository says."""
    return {
        "PREVIEW_URL": ready.url,
        "EPH_ENVIRONMENT": ready.spec.name,
        "EPH_COMMIT": ready.spec.source.commit,
        "EPH_SUITE": suite.name,
    }


def _result(run: Run, ended: Ended, report: Report | None, detail: str, clock: Clock) -> Result:
    verdict = {0: Verdict.PASSED, trial.SKIPPED: Verdict.SKIPPED}.get(1 if ended.code is None else ended.code)
    tail = ended.tail if verdict is not Verdict.PASSED else ()
    return Result(
        run.suite, run.commit, verdict or Verdict.FAILED, clock(), round(ended.seconds, 1), detail, tail, report
    )


def _detail(ended: Ended, suite: SuiteSpec) -> str:
    if ended.code is None:
        return f"took longer than its limit of {suite.command.timeout} s"
    if ended.code == trial.SKIPPED:
        said = [line.strip() for line in ended.tail if line.strip()]
        return said[-1][:200] if said else "it said that it cannot run here"
    if ended.code:
        return f"exit status {ended.code}" if ended.code > 0 else f"ended by signal {-ended.code}"
    return ""
