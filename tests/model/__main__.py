"""``python -m tests.model --seconds 60 --seed 1``: as many histories as fit, and one line at the end.

A history that went wrong is made as short as it gets, and printed so that it can be kept as a case.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from collections import Counter

from tests.model import histories
from tests.model.problems import KINDS, Problem


def one(asked: tuple[int, int]) -> tuple[int, list[Problem]]:
    logging.disable(logging.CRITICAL)
    seed, number = asked
    return number, histories.play(histories.of(seed, number))


def main() -> int:
    asked = _arguments()
    logging.disable(logging.CRITICAL)
    began, done, wrong = time.monotonic(), 0, Counter[str]()
    numbers = iter(range(asked.first, asked.first + asked.most))
    with multiprocessing.Pool(asked.jobs) as pool:
        for number, problems in pool.imap_unordered(one, ((asked.seed, number) for number in numbers)):
            done += 1
            wrong.update({problem.kind for problem in problems})
            if problems:
                _tell(asked.seed, number, problems)
            if time.monotonic() - began > asked.seconds or wrong.total() >= asked.enough:
                break
    taken = time.monotonic() - began
    told = ", ".join(f"{kind} {wrong[kind]}" for kind in KINDS)
    print(f"model: {done} histories in {taken:.0f} s ({60 * done / taken:.0f} a minute), {told}")
    return 1 if wrong else 0


def _tell(seed: int, number: int, problems: list[Problem]) -> None:
    history = histories.of(seed, number)
    kind = problems[0].kind
    short = histories.shorter(history, lambda less: any(one.kind == kind for one in histories.play(less)))
    print(f"history {number} of seed {seed}:", *map(str, problems[:4]), sep="\n  ", flush=True)
    print(f"  {short!r}", *map(str, histories.play(short)[:4]), sep="\n  ", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Eph in a model of the world.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--most", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--enough", type=int, default=5, help="ends after so many that went wrong")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
