"""``python -m tests.chaos --runs 50 --seed 1``: so many runs, one after the other, and one line at the end."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter

from tests.chaos import runs
from tests.chaos.looking import KINDS
from tests.chaos.runs import Outcome
from tests.chaos.schedules import FAULTS


def main() -> int:
    asked = _arguments()
    signal.signal(signal.SIGTERM, _end)  # so that a run that is cut short still takes its world with it
    faults = {kind: weight for kind, weight in FAULTS.items() if not asked.only or kind in asked.only}
    done: list[Outcome] = []
    for run in range(asked.first, asked.first + asked.runs):
        try:
            outcome = runs.play(asked.seed, run, print if asked.verbose else _silent, faults)
        except KeyboardInterrupt:
            print(f"run {run} of seed {asked.seed}: cut short", flush=True)
            break
        done.append(outcome)
        print(line(outcome), flush=True)
        for problem in outcome.problems:
            print(f"  {problem}", flush=True)
    print(summary(done), flush=True)
    return 1 if len(done) < asked.runs or any(outcome.problems for outcome in done) else 0


def line(outcome: Outcome) -> str:
    end = f"quiet for {outcome.calm_after:.1f} s" if not outcome.problems else f"WRONG, logs in {outcome.kept}"
    return (
        f"run {outcome.run} of seed {outcome.seed}: {outcome.faults} faults, {outcome.operations} pulumi processes, "
        f"{outcome.restarts} restarts, {outcome.retried} asked again, {outcome.seconds:.0f} s, {end}"
    )


def summary(done: list[Outcome]) -> str:
    counts = Counter(problem.kind for outcome in done for problem in outcome.problems)
    told = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS)
    return f"chaos: {len(done)} runs, {sum(outcome.faults for outcome in done)} faults, {told}"


def _silent(_: str) -> None:
    """The story is kept with the logs when something was wrong."""


def _end(*_: object) -> None:
    raise SystemExit(143)


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if unknown := set(kinds) - FAULTS.keys():
        raise argparse.ArgumentTypeError(f"no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    return kinds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Eph under fire.")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0, help="the number of the first run: repeats one of them")
    parser.add_argument("--verbose", action="store_true", help="tell each step as it happens")
    parser.add_argument("--only", type=_kinds, default=(), metavar="KIND,KIND", help="a storm of these faults alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
