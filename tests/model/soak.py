"""A compressed soak test: ``python -m tests.model.soak --cycles 10000``.

Pull requests come and go, are pushed to, fail and expire; ephd is killed now and then; the event log is a real SQLite
database with a retention of an hour. The first quarter of the cycles is for growing up; what exists then must be about
the same as at the end: Python's memory blocks, objects, threads, open files, temporary folders, rows.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil

from orchestrator.core.model.policy import Policy
from orchestrator.ledger.sql_ledger import SqlLedger
from tests.model import steps
from tests.model.steps import Step
from tests.worlds.model.model_world import ModelWorld
from tests.worlds.model.problems import Problem

POLICY = Policy(max_environments=12, max_per_repository=8, ttl_default=timedelta(minutes=30))
ROUND_STEPS = (
    Step("open", 0, 0), Step("open", 1, 0), Step("pass", 0, 5), Step("push", 1, 0), Step("push", 2, 6),
    Step("pass", 0, 4), Step("close", 0, 0), Step("wreck", 1, 0), Step("unlabel", 3, 0), Step("pass", 0, 6),
    Step("close", 2, 1), Step("delete", 5, 0), Step("close", 0, 0), Step("kill", 0, 0), Step("pass", 0, 6),
)  # fmt: skip
KILL_EVERY = 12
"""Rounds between two kills of ephd."""
MAX_GROWTH = {"blocks": 20_000, "objects": 6_000, "threads": 0, "files": 2, "folders": 0}
MAX_ROW_GROWTH = 700
"""By how much the end can exceed the first quarter's, whatever the length of the soak."""


@dataclass(slots=True)
class SoakResult:
    cycles: int = 0
    seconds: float = 0.0
    hours: float = 0.0
    restarts: int = 0
    first: Mapping[str, int] = field(default_factory=dict)
    last: Mapping[str, int] = field(default_factory=dict)
    pulls: int = 0
    problems: list[Problem] = field(default_factory=list)

    def excess_growth(self) -> dict[str, int]:
        """What grew by more than allowed."""
        allowed = {**MAX_GROWTH, "rows": MAX_ROW_GROWTH + self.pulls}  # the newest event of each stack stays
        more = {what: self.last[what] - self.first[what] for what in allowed}
        return {what: by for what, by in more.items() if by > allowed[what]}

    def __str__(self) -> str:
        told = ", ".join(f"{what} {self.first[what]} -> {self.last[what]}" for what in self.last)
        return (
            f"soak: {self.cycles} cycles, {self.hours:.1f} hours of the clock, {self.restarts} lives of ephd in "
            f"{self.seconds:.0f} s: {told}; problems {len(self.problems)}"
        )


def soak(home: Path, cycles: int) -> SoakResult:
    figures, began = SoakResult(), time.monotonic()
    url, hour = f"sqlite:///{home / 'ledger.db'}", timedelta(hours=1)
    world = ModelWorld(POLICY, lambda one: SqlLedger(url, keep=hour, monotonic=lambda: one.time, now=one.clock))
    ledger = world.ledger
    assert isinstance(ledger, SqlLedger)
    try:
        while not figures.first or world.cycles < cycles:
            _run_round(world)
            if not figures.first and world.cycles >= cycles / 4:
                figures.first = _measure(world, ledger)
        figures.last = _measure(world, ledger)
        figures.problems = world.heal_and_settle()
    finally:
        figures.pulls = sum(world.pull_counts())
        figures.hours, figures.cycles, figures.restarts = world.time / 3600, world.cycles, world.starts
        world.close()
        ledger.close()
    figures.seconds = time.monotonic() - began
    return figures


def _run_round(world: ModelWorld) -> None:
    for step in ROUND_STEPS:
        steps.take_step(world, step)
    world.rounds += 1
    if world.rounds % KILL_EVERY == 0:
        world.crash(1.0, kill_operations=world.rounds % 2 == 0)
    world.prune()


def _measure(world: ModelWorld, ledger: SqlLedger) -> dict[str, int]:
    """Between two rounds, when what was open is closed."""
    world.run_for(240)
    world.prune()
    gc.collect()
    return {
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "threads": threading.active_count(),
        "files": psutil.Process().num_fds(),
        "folders": len(list(Path(tempfile.gettempdir()).glob("automation-*"))),
        "rows": len(ledger.events(limit=100_000)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model.soak", description="Ten thousand cycles in a minute.")
    parser.add_argument("--cycles", type=int, default=10_000)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="eph-soak-") as home:
        figures = soak(Path(home), asked.cycles)
    print(figures, *figures.problems, sep="\n")
    print(f"grown: {figures.excess_growth() or 'nothing'}; resident {_resident() // 1024} MB")
    return 1 if figures.excess_growth() or figures.problems else 0


def _resident() -> int:
    """In kilobytes."""
    return int(psutil.Process().memory_info().rss) // 1024


if __name__ == "__main__":
    sys.exit(main())
