"""Runs in a process of their own, with a mount namespace of its own: several can go at a time, and nothing that one
mounts is seen by others.

``python -m tests.chaos.run_process SEED KINDS`` plays each run whose number comes on standard input, and tells its
story a line at a time; the last line of each is its outcome.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from orchestrator.demo.github.demo_github import DemoGitHubError
from tests.chaos import outcomes, resources
from tests.chaos import run as chaos_run
from tests.chaos.outcomes import Outcome, Problem
from tests.chaos.schedules import FAULTS

ROOT = Path(__file__).parents[2]
_OUTCOME = "outcome "
_INTERRUPTED = 143
_ATTEMPTS = 3
Log = Callable[[str], object]


class RunProcess:
    """One such process: one run after the other."""

    def __init__(self, seed: int, kinds: Iterable[str] = ()) -> None:
        self._seed = seed
        words = [sys.executable, "-m", "tests.chaos.run_process", str(seed), ",".join(kinds)]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True)

    def run(self, run: int, log: Log = lambda _: None) -> Outcome | None:
        """None when it was cut short."""
        if self._child.stdin is None or self._child.stdout is None:
            raise AssertionError("it was started with pipes")
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(f"{run}\n")
            self._child.stdin.flush()
        for line in self._child.stdout:
            if line.startswith(_OUTCOME):
                return outcomes.load(line.removeprefix(_OUTCOME))
            log(line.rstrip())
        code = self._child.wait()
        if code == _INTERRUPTED:
            return None
        return Outcome(self._seed, run, problems=[Problem("stuck", f"the process of the run ended with {code}")])

    def interrupt(self) -> None:
        """The run under way takes its world with it."""
        self._child.terminate()

    def close(self) -> None:
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.close()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


def run_once(seed: int, run: int) -> Outcome | None:
    player = RunProcess(seed)
    try:
        return player.run(run)
    finally:
        player.close()


def _on_sigterm(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(_INTERRUPTED)


def main() -> int:
    seed, kinds = int(sys.argv[1]), set(sys.argv[2].split(","))
    resources.enter_mount_namespace()
    signal.signal(signal.SIGTERM, _on_sigterm)
    faults = {kind: weight for kind, weight in FAULTS.items() if kinds == {""} or kind in kinds}
    for number in sys.stdin:
        print(_OUTCOME + _run_with_retries(seed, int(number), faults).dump(), flush=True)
    return 0


def _run_with_retries(seed: int, number: int, faults: Mapping[str, int]) -> Outcome:
    """A machine that is too busy to bring up the Git host says nothing of Eph, which was not even started."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(DemoGitHubError):
            return chaos_run.run(seed, number, lambda line: print(line, flush=True), faults)
    return chaos_run.run(seed, number, lambda line: print(line, flush=True), faults)


if __name__ == "__main__":
    sys.exit(main())
