"""``python -m tests.chaos --runs 50 --seed 1 --jobs 2``: so many runs, so many at a time, and one line at the end."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.chaos import outcomes
from tests.chaos.outcomes import Outcome
from tests.chaos.run_process import RunProcess
from tests.chaos.schedules import FAULTS


def main() -> int:
    asked = _arguments()
    numbers = iter(range(asked.first, asked.first + asked.runs))
    players = [RunProcess(asked.seed, asked.only) for _ in range(min(asked.jobs, asked.runs))]
    done: list[Outcome] = []
    told = threading.Lock()

    def end(*_: object) -> None:
        for player in players:
            player.interrupt()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)

    def go_on(player: RunProcess) -> None:
        while (run := _next(numbers, told)) is not None:
            outcome = player.run(run, print if asked.verbose else _discard)
            if outcome is None:
                return
            with told:
                done.append(outcome)
                print("\n  ".join([outcomes.run_line(outcome), *map(str, outcome.problems)]), flush=True)
            if not outcome.faults:  # its process is gone; the others go on
                return

    with ThreadPoolExecutor(len(players)) as several:
        list(several.map(go_on, players))
    for player in players:
        player.close()
    print("\n".join(outcomes.summary_lines(done)), flush=True)
    return 1 if len(done) < asked.runs or any(outcome.problems for outcome in done) else 0


def _next(numbers: Iterator[int], lock: threading.Lock) -> int | None:
    with lock:
        return next(numbers, None)


def _discard(_: str) -> None:
    """The story is kept with the logs when something was wrong."""


def _fault_kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if unknown := set(kinds) - FAULTS.keys():
        raise argparse.ArgumentTypeError(f"no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    return kinds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Eph under fire.")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0, help="the number of the first run: repeats one of them")
    parser.add_argument("--jobs", type=int, default=1, help="so many runs at a time; each is a world of its own")
    parser.add_argument("--verbose", action="store_true", help="tell each step as it happens")
    parser.add_argument(
        "--only", type=_fault_kinds, default=(), metavar="KIND,KIND", help="a storm of these faults alone"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
