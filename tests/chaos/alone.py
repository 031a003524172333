"""A run in a process of its own, with a mount namespace of its own: several can go at a time, and nothing that one
mounts is seen by others. ``python -m tests.chaos.alone SEED RUN KINDS`` tells its story a line at a time; the last
line is its outcome.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.chaos import machine, outcomes, runs
from tests.chaos.outcomes import Outcome, Problem
from tests.chaos.schedules import FAULTS

ROOT = Path(__file__).parents[2]
_OUTCOME = "outcome "


def play(
    seed: int, run: int, say: Callable[[str], object] = lambda _: None, kinds: Iterable[str] = ()
) -> Outcome | None:
    """None when it was cut short."""
    words = [sys.executable, "-m", "tests.chaos.alone", str(seed), str(run), ",".join(kinds)]
    child = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    outcome = None
    with child, _ended_with_us(child):
        for line in child.stdout or ():
            if line.startswith(_OUTCOME):
                outcome = outcomes.read(line.removeprefix(_OUTCOME))
            else:
                say(line.rstrip())
    if outcome is None and child.returncode > 0 and child.returncode != _CUT_SHORT:
        return Outcome(seed, run, problems=[Problem("stuck", f"the run ended with {child.returncode}")])
    return outcome


_CUT_SHORT = 143
_children: set[subprocess.Popen[str]] = set()


class _ended_with_us:  # noqa: N801 - reads as a word of `with`
    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def __enter__(self) -> None:
        _children.add(self._child)

    def __exit__(self, *_: object) -> None:
        _children.discard(self._child)
        if self._child.poll() is None:
            self._child.terminate()


def end_all() -> None:
    """Every run under way is cut short, and takes its world with it."""
    for child in list(_children):
        child.terminate()


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(_CUT_SHORT)


def main() -> int:
    seed, run, kinds = int(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3].split(","))
    machine.alone()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    faults = {kind: weight for kind, weight in FAULTS.items() if kinds == {""} or kind in kinds}
    outcome = runs.play(seed, run, lambda line: print(line, flush=True), faults)
    print(_OUTCOME + outcome.dump(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
