"""One run: the storm, the quiet, the look."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace

import httpx

from tests.chaos import schedules, site
from tests.chaos.deploys.deploy_invariants import DeployInvariants
from tests.chaos.deploys.developers import Developers
from tests.chaos.faults import Faults
from tests.chaos.invariants import InvariantChecker
from tests.chaos.outcomes import Outcome, Problem
from tests.chaos.people import People
from tests.chaos.site import ChaosSite

QUIET_SECONDS = 30.0
"""All in fair time: what others do on this machine makes Eph late, and not wrong."""
STABLE_SECONDS = 3.0
"""Two cycles: what is right must stay right for that long."""
STALE_SECONDS = 15.0
"""What is shown is true within two cycles; an app that is ready is asked every ten seconds whether it still is."""
READY_SECONDS = 40.0

Log = Callable[[str], None]


def run(seed: int, run: int, say: Log = print, faults: Mapping[str, int] = schedules.FAULTS) -> Outcome:
    outcome = Outcome(seed, run)
    began = time.monotonic()
    with site.running_site() as world:
        try:
            _Run(world, outcome, say).play(schedules.schedule(seed, run, faults))
        except Exception as error:  # noqa: BLE001 - a harness that breaks is a run that failed
            outcome.problems.append(Problem("stuck", f"the harness broke: {type(error).__name__}: {error}"))
            outcome.story += traceback.format_exc().splitlines()
        outcome.problems += [Problem("leaks", line) for line in world.close()]
        outcome.restarts = world.start_count - 1
        outcome.fair = world.cpu_clock.now
        outcome.story += world.unexpected_exits
    outcome.seconds = time.monotonic() - began
    _finish(world, outcome)
    return outcome


def _finish(chaos_site: ChaosSite, outcome: Outcome) -> None:
    if not outcome.problems:
        site.remove(chaos_site)
        return
    (chaos_site.home / "story.txt").write_text("\n".join([*outcome.story, "", *map(str, outcome.problems)]) + "\n")
    outcome.kept = str(site.preserve(chaos_site))


class _Run:
    def __init__(self, chaos_site: ChaosSite, outcome: Outcome, log: Log) -> None:
        self._world = chaos_site
        self._outcome = outcome
        self._people = People(chaos_site.forge)
        self._developers = Developers(chaos_site, self._people.current_name)
        self._faults = Faults(chaos_site, self._people.current_name)
        self._deploys = DeployInvariants(chaos_site, self._developers)
        self._checker = InvariantChecker(chaos_site, self._people, self._deploys)
        self._log_line = log
        self._began = time.monotonic()

    def play(self, steps: tuple[schedules.Step, ...]) -> None:
        self._wait_until_ready()
        self._began = time.monotonic()
        for step in steps:
            self._world.wait(max(0.0, self._began + step.at - time.monotonic()))
            self._record(self._inject(step) if step.is_fault else self._take_step(step))
        self._add_faults(steps[-1])
        self._world.end_faults()
        self._outcome.visits = len(self._developers.visits)
        self._wait_until_ready()  # the quiet begins when the last start is over
        self._record("quiet")
        self._outcome.problems += [*self._deploys.visits(), *self._settle(), *self._deploys.uploads()]
        self._outcome.problems += [*self._checker.overlaps(), *self._checker.secrets()]
        self._outcome.deploys = len(self._deploys.wanted())
        self._outcome.operations = len(self._world.audit.entries())
        trouble = self._world.stop_ephd()
        self._outcome.problems += [Problem("stuck", trouble)] if trouble else []
        self._outcome.problems += self._checker.leftovers_after_stop()

    def _wait_until_ready(self) -> None:
        """ephd has made its folders and PostgreSQL: the storm breaks over a service, not over an installation."""
        end = self._world.cpu_clock.now + READY_SECONDS
        while self._world.cpu_clock.now < end:
            with contextlib.suppress(httpx.HTTPError, OSError):
                if self._world.http.get(f"http://127.0.0.1:{self._world.api_port}/readyz").status_code == 200:
                    return
            self._world.wait(0.25)
        raise TimeoutError(f"ephd was not ready after {READY_SECONDS:.0f} s: {self._world.log_tail(600)}")

    def _take_step(self, step: schedules.Step) -> str:
        """What was really done counts: a step that finds nothing to act on does something else."""
        done = self._developers.act(step) if step.kind in schedules.DEPLOYS else self._people.act(step)
        if "refused" not in done:
            self._outcome.history[done.partition(" ")[0].rstrip(":").partition("=")[0]] += 1
        return done

    def _inject(self, step: schedules.Step) -> str:
        self._developers.observe()
        done = self._faults.inject(step)
        if done:
            if step.kind in ("tag_cut", "tag_lost"):
                self._developers.lose_tag(done)
            self._outcome.faults[step.kind] += 1
        return f"FAULT {done}" if done else f"({step.kind}: nothing there to break)"

    def _add_faults(self, last: schedules.Step) -> None:
        """A fault finds nothing to break now and then; of these there is always something."""
        for kind in ("kill_ephd", "forge_cut", "hook_forged", "kill_gateway") * schedules.MIN_FAULTS:
            if self._outcome.faults.total() >= schedules.MIN_FAULTS:
                return
            self._record(self._inject(replace(last, kind=kind)))
            self._world.wait(1.0)

    def _settle(self) -> list[Problem]:
        """Nothing may be wrong at two looks a while apart; what is wrong at the end of the quiet is what is told."""
        began = self._world.cpu_clock.now
        right_since = 0.0
        lies: dict[str, float] = {}
        reported = ""
        while True:
            self._world.wait(0.5)
            found = self._checker.check()
            if found and str(found[0]) != reported:
                reported = str(found[0])
                self._record(f"still wrong: {reported[:300]}")
            now = self._world.cpu_clock.now
            lies = {lie: lies.get(lie, now) for lie in (self._checker.untrue_reports() if found else ())}
            if old := [f"for {now - since:.0f} s {lie}" for lie, since in lies.items() if now - since > STALE_SECONDS]:
                return [Problem("stuck", line) for line in old]
            if found:
                right_since = 0.0
                self._retry_failed()
            elif not right_since:
                right_since = now
                self._outcome.calm_after = now - began
            elif now - right_since > STABLE_SECONDS:
                return []
            if now - began > QUIET_SECONDS and not right_since:
                return self._checker.check(everything=True) or found

    def _retry_failed(self) -> None:
        """What failed under the storm waits for its next try, longer each time. People who see that the trouble is
        over ask for it at once, and so does the harness, by the API."""
        with contextlib.suppress(httpx.HTTPError, OSError):
            for item in self._world.api("environments")["items"]:
                if item["phase"] in ("failed", "stalled") and item["ref_type"] != "deploy":
                    self._world.api(f"environments/{item['ref']}/up", "POST")
                    self._outcome.retried += 1
                    self._record(f"asked again for {item['ref']}: {item['failure'] and item['failure']['error'][:200]}")

    def _record(self, line: str) -> None:
        text = f"{time.monotonic() - self._began:6.2f}  {line}"
        self._outcome.story.append(text)
        self._log_line(text)
