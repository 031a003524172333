"""``python -m tests.model --seconds 60 --seed 1``: as many histories as fit, and a line per level at the end.

Two levels: the planner alone in a world that carries its plans out (``tests/worlds/plan/histories.py``: thousands a
minute), then the whole of ephd in virtual time (``histories``: hundreds a minute, because a loop with its comments
costs a hundred times as much as a plan). A failing history is shrunk, and printed so that it can be kept as a case.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.model import histories
from tests.worlds.model.problems import Problem
from tests.worlds.plan import histories as plan_histories


@dataclass(frozen=True, slots=True)
class Level:
    """``generate`` creates a random history from a seed and a number; ``play`` returns what went wrong."""

    generate: Callable[[int, int], list[Any]]
    play: Callable[[list[Any]], list[Problem]]


def _play_plan(history: list[plan_histories.Event]) -> list[Problem]:
    try:
        plan_histories.play(history)
    except AssertionError as wrong:
        return [Problem("plan", str(wrong).partition("\n")[0] or "does not converge")]
    return []


LEVELS: Mapping[str, Level] = {
    "plan": Level(plan_histories.random_history, _play_plan),
    "model": Level(histories.random_history, histories.play),
}


@dataclass(frozen=True, slots=True)
class WorkShare:
    """What one process plays: every n-th history, until its time is up or enough have failed."""

    level: str
    seed: int
    numbers: range
    seconds: float
    max_failures: int


def play(share: WorkShare) -> tuple[int, list[tuple[int, list[Problem]]]]:
    """The number of histories played, and those that failed."""
    logging.disable(logging.CRITICAL)
    level, end = LEVELS[share.level], time.monotonic() + share.seconds
    done = 0
    wrong: list[tuple[int, list[Problem]]] = []
    for number in share.numbers:
        if time.monotonic() > end or len(wrong) >= share.max_failures:
            break
        done += 1
        if problems := level.play(level.generate(share.seed, number)):
            wrong.append((number, problems))
    return done, wrong


def main() -> int:
    asked = _arguments()
    logging.disable(logging.CRITICAL)
    names = [asked.level] if asked.level else list(LEVELS)
    with multiprocessing.Pool(asked.jobs) as pool:
        found = [_run_level(name, asked, pool.map, asked.seconds / len(names)) for name in names]
    return 1 if any(found) else 0


def _run_level(name: str, options: argparse.Namespace, map_shares: Callable[..., Any], seconds: float) -> int:
    """The number of failures, in its share of the time."""
    end = options.first + options.most
    ranges = [range(options.first + each, end, options.jobs) for each in range(options.jobs)]
    began = time.monotonic()
    shares = map_shares(play, [WorkShare(name, options.seed, numbers, seconds, options.enough) for numbers in ranges])
    taken = time.monotonic() - began
    done = sum(played for played, _ in shares)
    wrong = [one for _, found in shares for one in found]
    for number, problems in wrong[: options.enough]:
        _print_failure(name, options.seed, number, problems)
    kinds = Counter(problem.kind for _, problems in wrong for problem in problems)
    told = ", ".join(f"{kind} {times}" for kind, times in sorted(kinds.items())) or "nothing wrong"
    print(f"{name}: {done} histories in {taken:.0f} s ({60 * done / taken:.0f} a minute), {told}", flush=True)
    return len(wrong)


def _print_failure(name: str, seed: int, number: int, problems: list[Problem]) -> None:
    level, kind = LEVELS[name], problems[0].kind
    history = level.generate(seed, number)
    short = histories.shrink(history, lambda less: any(one.kind == kind for one in level.play(list(less))))
    print(f"{name}, history {number} of seed {seed}:", *map(str, problems[:4]), sep="\n  ", flush=True)
    print(f"  {short!r}", *map(str, level.play(short)[:4]), sep="\n  ", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Eph in a model of the world.")
    parser.add_argument("--level", choices=LEVELS, help="only this one; both otherwise, each for half of the time")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--most", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--enough", type=int, default=5, help="ends after so many that went wrong")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
