"""One run: the storm, the quiet, the look."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace

import httpx

from tests.chaos import schedules, site
from tests.chaos.faults import Faults
from tests.chaos.looking import Looker
from tests.chaos.outcomes import Outcome, Problem
from tests.chaos.people import People
from tests.chaos.site import Site

QUIET_SECONDS = 30.0
"""All in fair time: what others do on this machine makes Eph late, and not wrong."""
CALM_SECONDS = 3.0
"""Two cycles: what is right must stay right for that long."""
TRUE_SECONDS = 15.0
"""What is shown is true within two cycles; an app that is ready is asked every ten seconds whether it still is."""
READY_SECONDS = 40.0

Say = Callable[[str], None]


def play(seed: int, run: int, say: Say = print, faults: Mapping[str, int] = schedules.FAULTS) -> Outcome:
    outcome = Outcome(seed, run)
    began = time.monotonic()
    with site.opened() as world:
        try:
            _Run(world, outcome, say).play(schedules.of(seed, run, faults))
        except Exception as error:  # noqa: BLE001 - a harness that breaks is a run that failed
            outcome.problems.append(Problem("stuck", f"the harness broke: {type(error).__name__}: {error}"))
            outcome.story += traceback.format_exc().splitlines()
        outcome.problems += [Problem("leaks", line) for line in world.close()]
        outcome.restarts = world.lives - 1
        outcome.fair = world.time.now
        outcome.story += world.ended
    outcome.seconds = time.monotonic() - began
    _end(world, outcome)
    return outcome


def _end(world: Site, outcome: Outcome) -> None:
    if not outcome.problems:
        site.remove(world)
        return
    (world.home / "story.txt").write_text("\n".join([*outcome.story, "", *map(str, outcome.problems)]) + "\n")
    outcome.kept = str(site.keep(world))


class _Run:
    def __init__(self, world: Site, outcome: Outcome, say: Say) -> None:
        self._world = world
        self._outcome = outcome
        self._people = People(world.forge)
        self._faults = Faults(world, self._people.now_called)
        self._looker = Looker(world, self._people)
        self._say = say
        self._began = time.monotonic()

    def play(self, steps: tuple[schedules.Step, ...]) -> None:
        self._ready()
        self._began = time.monotonic()
        for step in steps:
            self._world.wait(max(0.0, self._began + step.at - time.monotonic()))
            self._tell(self._fault(step) if step.is_fault else self._act(step))
        self._top_up(steps[-1])
        self._world.calm()
        self._ready()  # the quiet begins when the last start is over
        self._tell("quiet")
        self._outcome.problems += self._settle()
        self._outcome.problems += [*self._looker.overlaps(), *self._looker.secrets()]
        self._outcome.operations = len(self._world.audit.entries())
        trouble = self._world.stop_ephd()
        self._outcome.problems += [Problem("stuck", trouble)] if trouble else []
        self._outcome.problems += self._looker.after_the_end()

    def _ready(self) -> None:
        """ephd has made its folders and PostgreSQL: the storm breaks over a service, not over an installation."""
        end = self._world.time.now + READY_SECONDS
        while self._world.time.now < end:
            with contextlib.suppress(httpx.HTTPError, OSError):
                if self._world.http.get(f"http://127.0.0.1:{self._world.api_port}/readyz").status_code == 200:
                    return
            self._world.wait(0.25)
        raise TimeoutError(f"ephd was not ready after {READY_SECONDS:.0f} s: {self._world.said(600)}")

    def _act(self, step: schedules.Step) -> str:
        """What was really done counts: a step that finds nothing to act on does something else."""
        done = self._people.act(step)
        if "refused" not in done:
            self._outcome.history[done.partition(" ")[0].rstrip(":").partition("=")[0]] += 1
        return done

    def _fault(self, step: schedules.Step) -> str:
        done = self._faults.inject(step)
        if done:
            self._outcome.faults[step.kind] += 1
        return f"FAULT {done}" if done else f"({step.kind}: nothing there to break)"

    def _top_up(self, last: schedules.Step) -> None:
        """A fault finds nothing to break now and then; of these there is always something."""
        for kind in ("kill_ephd", "forge_cut", "hook_forged", "kill_gateway") * schedules.FAULTS_LEAST:
            if self._outcome.faults.total() >= schedules.FAULTS_LEAST:
                return
            self._tell(self._fault(replace(last, kind=kind)))
            self._world.wait(1.0)

    def _settle(self) -> list[Problem]:
        """Nothing may be wrong at two looks a while apart; what is wrong at the end of the quiet is what is told."""
        began = self._world.time.now
        right_since = 0.0
        lies: dict[str, float] = {}
        while True:
            self._world.wait(0.5)
            found = self._looker.look()
            now = self._world.time.now
            lies = {lie: lies.get(lie, now) for lie in (self._looker.lies() if found else ())}
            if old := [f"for {now - since:.0f} s {lie}" for lie, since in lies.items() if now - since > TRUE_SECONDS]:
                return [Problem("stuck", line) for line in old]
            if found:
                right_since = 0.0
                self._ask_again()
            elif not right_since:
                right_since = now
                self._outcome.calm_after = now - began
            elif now - right_since > CALM_SECONDS:
                return []
            if now - began > QUIET_SECONDS and not right_since:
                return self._looker.look(everything=True) or found

    def _ask_again(self) -> None:
        """What failed under the storm waits for its next try, longer each time. People who see that the trouble is
        over ask for it at once, and so does the harness, by the API."""
        with contextlib.suppress(httpx.HTTPError, OSError):
            for item in self._world.api("environments")["items"]:
                if item["phase"] in ("failed", "stalled"):
                    self._world.api(f"environments/{item['ref']}/up", "POST")
                    self._outcome.retried += 1
                    self._tell(f"asked again for {item['ref']}: {item['failure'] and item['failure']['error'][:200]}")

    def _tell(self, line: str) -> None:
        text = f"{time.monotonic() - self._began:6.2f}  {line}"
        self._outcome.story.append(text)
        self._say(text)
